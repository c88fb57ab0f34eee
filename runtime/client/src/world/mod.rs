//! Worlds: registering, finding and following them, and whole lists of them.

pub mod export;
mod holder;
pub mod import;
pub mod publish;
mod records;
mod search;
mod show;
mod watch;

use crate::exit;
use crate::port::segment;
use clap::Subcommand;
use serde_json::Value;

/// The members of a world that are of no use to a person: the signed record, which is what
/// the others are read from.
const MACHINE_MEMBERS: &[&str] = &["record", "receipt"];

/// What is done with worlds.
#[derive(Debug, Subcommand)]
#[command(after_help = exit::HELP)]
pub enum Command {
    /// Register a world: sign its record and send it
    Register(publish::RegisterArguments),
    /// Replace a world's record by a newer one, or only change some of it
    Update(publish::UpdateArguments),
    /// Withdraw a world: it is found no more, and its name stays yours for a time
    Withdraw(holder::NameArguments),
    /// Offer a world's name to another operator
    Transfer(holder::TransferArguments),
    /// Take a world's name that its operator offers
    Accept(holder::NameArguments),
    /// Show a world
    Show(show::ShowArguments),
    /// Find worlds
    Search(search::SearchArguments),
    /// Follow what changes, from now on or from where a watch ended
    Watch(watch::WatchArguments),
    /// Register the worlds of a list
    Import(import::ImportArguments),
    /// Write every world to a file, one JSON object per line
    Export(export::ExportArguments),
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Register(arguments) => publish::run_register(arguments),
        Command::Update(arguments) => publish::run_update(arguments),
        Command::Withdraw(arguments) => holder::run_withdraw(arguments),
        Command::Transfer(arguments) => holder::run_transfer(arguments),
        Command::Accept(arguments) => holder::run_accept(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Search(arguments) => search::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Export(arguments) => export::run(arguments),
    }
}

/// The path of a world.
fn path(name: &str) -> String {
    format!("/v1/worlds/{}", segment(name))
}

/// A text of a world that is given by language (BCP 47): in the world's own language.
fn text(world: &Value, name: &str) -> String {
    let language = world.get("default_language").and_then(Value::as_str).unwrap_or_default();
    let texts = world.get(name).and_then(Value::as_object);
    let text = texts.and_then(|texts| texts.get(language).or_else(|| texts.values().next()));
    text.map(crate::output::short).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_title_is_shown_in_the_worlds_own_language() {
        let world = json!({"default_language": "de", "title": {"en": "Arena", "de": "Kampfbahn"}});
        assert_eq!(text(&world, "title"), "Kampfbahn");
        assert_eq!(text(&json!({"title": {"en": "Arena"}}), "title"), "Arena");
        assert_eq!(text(&json!({}), "title"), "");
    }
}
