//! The project's only scripts. `cargo xtask` without a command lists them.

mod arguments;
mod bench;
mod black_box;
mod build;
mod fuzz;
mod image;
mod lint;
mod manifests;
mod packages;
mod portable;
mod project;
mod spin;
mod steps;
mod suite;
mod summary;
mod tidy;
mod try_it;
mod up;
mod wit;

use anyhow::Result;
use arguments::Task;
use project::Project;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let task = arguments::parse(std::env::args().skip(1))?;
    let project = Project::find()?;
    match task {
        Task::Help => print!("{}", arguments::HELP),
        Task::Build { is_wide } => build::run(&project, is_wide)?,
        Task::BuildStorage => build::storage(&project)?,
        Task::BuildAuth => build::auth(&project)?,
        Task::BuildPolicy => build::policy(&project)?,
        Task::Up { state_dir, rest } => up::run(&project, &state_dir, &rest)?,
        Task::Follow { zone } => try_it::follow(&project, &zone)?,
        Task::Test { spin: true, .. } => return suite::run_on_spin(&project),
        Task::Test { quick, spin: false } => return suite::run(&project, quick),
        Task::Bench { spin, rest } => bench::run(&project, spin, &rest)?,
        Task::Fuzz { target, rest } => fuzz::run(&project, target.as_deref(), &rest)?,
        Task::Image { folder } => image::lay_out(&project, folder.as_ref())?,
        Task::Wit { check: false } => wit::vendor(&project)?,
        Task::Wit { check: true } => wit::check(&project)?,
        Task::Manifests => manifests::write(&project)?,
        Task::Tidy => tidy::check(&project)?,
    }
    Ok(ExitCode::SUCCESS)
}
