//! `vwp up`: serves an application until it is told to stop.

use crate::application::{self, Folders};
use crate::runtime_config::RuntimeConfig;
use crate::{dns, http, manifest, variables};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What `vwp up` takes. Options that `spin up` has too mean the same.
#[derive(Debug, clap::Args)]
pub struct Up {
    /// The manifest, or its folder
    #[arg(short = 'f', long = "from", default_value = ".")]
    from: PathBuf,
    /// Where to serve HTTP; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where to serve DNS, over UDP and TCP; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5300")]
    dns_listen: SocketAddr,
    /// Where the store, secrets and compiled code are kept [default: data]
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// Where databases and stores are that the manifest names, in Spin's format
    #[arg(long, value_name = "FILE")]
    runtime_config_file: Option<PathBuf>,
    /// An application variable, as NAME=VALUE; may be repeated
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Run as Spin would: nothing under tool.vwp, and vwp:storage from the dependencies
    #[arg(long)]
    portable: bool,
    /// Log errors only
    #[arg(long, short)]
    pub quiet: bool,
}

impl Up {
    /// Runs until SIGTERM or SIGINT, then lets requests in flight end.
    pub fn run(self) -> Result<()> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // Sockets are looked at after this many polls. A guest that computes takes a whole
        // tick each time, so with the default others would wait for a third of a second.
        builder.enable_all().event_interval(16);
        let runtime = builder.build()?;
        let result = runtime.block_on(self.serve());
        // Guests that still run are abandoned; what was acknowledged is durable already.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    async fn serve(self) -> Result<()> {
        let app = manifest::load(&self.from, manifest::Mode::portable(self.portable))?;
        let config = RuntimeConfig::load(self.runtime_config_file.as_deref())?;
        let given = config.supplement(&app, given(&self.variables)?);
        let listener = http::bind(self.listen).await?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let sockets = match app.resolver {
            Some(_) => Some(dns::Sockets::bind(self.dns_listen).await?),
            None => None,
        };
        let state = &self.state_dir.or(config.state_dir.clone()).unwrap_or("data".into());
        std::fs::create_dir_all(state).with_context(|| format!("cannot make {}", state.display()))?;
        // The cache's folder must be absolute for Wasmtime.
        let state = state.canonicalize()?;
        let values = variables::application(&app, &given, &url, &state.join("secrets"))?;
        let progress = progress(app.routes.len());
        let folders = Folders {
            store: &state.join("store"),
            cache: &state.join("cache"),
            files: &state.join("files"),
            sqlite: &state.join("sqlite"),
        };
        let ready = application::ready(&app, &values, &folders, &config, |step| {
            progress.set_message(step.to_owned());
            progress.inc(1);
        })?;
        ready.chain.serve_at(address);
        progress.finish_and_clear();
        let (stopper, stop) = watch::channel(false);
        let dns = match (sockets, ready.resolver.clone()) {
            (Some(sockets), Some(resolver)) => {
                println!("DNS on {} (UDP, TCP)", sockets.address()?);
                Some(tokio::spawn(sockets.serve(resolver, stop.clone())))
            }
            _ => None,
        };
        println!("Serving {url}");
        let server = tokio::spawn(http::serve(listener, ready.router.clone(), stop));
        wait_for_signal().await?;
        eprintln!("stopping: requests in flight may end");
        stopper.send_replace(true);
        server.await?;
        if let Some(dns) = dns {
            dns.await?;
        }
        ready.stopping.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn given(variables: &[String]) -> Result<BTreeMap<String, String>> {
    let mut given = BTreeMap::new();
    for variable in variables {
        let Some((name, value)) = variable.split_once('=') else {
            bail!("--variable takes NAME=VALUE");
        };
        given.insert(name.to_owned(), value.to_owned());
    }
    Ok(given)
}

/// A line on the terminal while components compile; nothing where there is no terminal.
fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
