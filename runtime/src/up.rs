//! `vwp up`: serves an application until it is told to stop.

use crate::application::{self, Folders};
use crate::dns::{Dns, Sockets};
use crate::manifest::App;
use crate::operate::activation::{self, Activation};
use crate::operate::control::Control;
use crate::operate::health::Health;
use crate::operate::probes;
use crate::proxy::Proxies;
use crate::runtime_config::RuntimeConfig;
use crate::server::{self, Server};
use crate::telemetry::log::LogFormat;
use crate::telemetry::{Telemetry, exposition};
use crate::tls::Certificate;
use crate::tls::reload::Reloader;
use crate::{arguments, dns, manifest, telemetry, variables};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use ipnet::IpNet;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// How many networks of proxies there may be: each connection looks through all of them.
const PROXIES_MAX: usize = 64;
/// How long guests that are abandoned may take to notice it.
const ABANDON: Duration = Duration::from_secs(1);

/// What `vwp up` takes. Options that `spin up` has too mean the same.
#[derive(Debug, clap::Args)]
pub struct Up {
    /// The manifest, or its folder
    #[arg(short = 'f', long = "from", aliases = ["from-file", "file"], default_value = ".")]
    from: PathBuf,
    /// Where to serve HTTP; port 0 takes a free one
    #[arg(long, env = "SPIN_HTTP_LISTEN_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000",
        value_parser = arguments::address)]
    listen: SocketAddr,
    /// The certificate, and the chain behind it, in PEM; HTTPS is then served instead of HTTP
    #[arg(long, env = "SPIN_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, env = "SPIN_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The networks of proxies that begin each connection with a PROXY header, for HTTP and DNS alike
    #[arg(long, env = "VWP_PROXY_PROTOCOL", value_name = "NETWORK,...", value_delimiter = ',',
        value_parser = arguments::network)]
    proxy_protocol: Vec<IpNet>,
    #[command(flatten)]
    dns: dns::arguments::Arguments,
    /// Where to say whether the host lives (/livez) and is ready (/readyz); port 0 takes a free one
    #[arg(long, env = "VWP_HEALTH_LISTEN", value_name = "ADDRESS:PORT", value_parser = arguments::address)]
    health_listen: Option<SocketAddr>,
    #[command(flatten)]
    telemetry: telemetry::arguments::Arguments,
    /// Where the store, secrets and compiled code are kept [default: data]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where databases and stores are that the manifest names, in Spin's format
    #[arg(long, env = "RUNTIME_CONFIG_FILE", value_name = "FILE")]
    runtime_config_file: Option<PathBuf>,
    /// A variable of the environment, for every component; may be repeated
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// An application variable, or a file of them; may be repeated, and the last one stands
    #[arg(long = "variable", value_name = "NAME=VALUE | NAME=@FILE | @FILE.json | @FILE.toml")]
    variables: Vec<String>,
    /// Run as Spin would: nothing under tool.vwp, and vwp:storage from the dependencies
    #[arg(long)]
    portable: bool,
    /// Log errors only
    #[arg(long, short, aliases = ["sh", "shush"])]
    pub quiet: bool,
}

/// Where a host is reached.
struct Listeners {
    http: TcpListener,
    /// If a component answers DNS messages.
    dns: Option<Sockets>,
    /// If metrics are to be fetched.
    metrics: Option<TcpListener>,
}

impl Up {
    /// Runs until SIGTERM or SIGINT, then lets requests in flight end.
    pub fn run(self) -> Result<()> {
        // It changes the environment, which is safe only as long as there is one thread.
        let passed = Activation::from_env()?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // Sockets are looked at after this many polls. A guest that computes takes a whole
        // tick each time, so with the default others would wait for a third of a second.
        builder.enable_all().event_interval(16);
        let runtime = builder.build()?;
        let result = runtime.block_on(self.serve(passed));
        // Guests that still run are abandoned; what was acknowledged is durable already.
        runtime.shutdown_timeout(ABANDON);
        result
    }

    async fn serve(self, passed: Activation) -> Result<()> {
        // Before anything is said, so that whoever waits for that may already stop the host.
        let mut signals = Signals::new()?;
        let app = self.application()?;
        let config = RuntimeConfig::load(self.runtime_config_file.as_deref())?;
        let given = config.supplement(&app, arguments::variables(&self.variables)?);
        let reloader = self.reloader()?;
        let certificate = reloader.as_ref().map(Reloader::certificate);
        let proxies = self.proxies()?;
        let health = Health::starting();
        let Listeners { http: listener, dns: sockets, metrics } =
            self.listen(&app, &health, certificate.as_ref(), passed).await?;
        let (telemetry, spans) = self.telemetry.start(metrics.is_some(), &health)?;
        answer_scrapes(&telemetry, metrics)?;
        let address = listener.local_addr()?;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        let state = self.state_dir.clone().or(config.state_dir.clone()).unwrap_or("data".into());
        let state = folder(&state)?;
        let secrets = state.join("secrets");
        let values = variables::application(&app, &given, &url, &secrets)?;
        let progress = progress(app.routes.len());
        let ready =
            application::ready(&app, &values, &Folders::below(&state), &config, &telemetry, |step| {
                progress.set_message(step.to_owned());
                progress.inc(1);
            })?;
        ready.chain.serve_at(address);
        progress.finish_and_clear();
        let (stopper, stop) = watch::channel(false);
        let mut serving = JoinSet::new();
        let ring = Arc::new(Notify::new());
        for timer in ready.timers {
            serving.spawn(timer.run(ring.clone(), stop.clone()));
        }
        if let (Some(sockets), Some(resolver)) = (sockets, ready.resolver) {
            let blocked = config.blocked_networks.clone();
            let options = self.dns.options(app.dns, blocked, proxies.clone(), &secrets, &telemetry)?;
            sockets.announce()?;
            serving.spawn(Dns::new(resolver, &ready.store, options).serve(sockets, ring, stop.clone()));
        }
        health.serving(&ready.store, &ready.machines);
        Control::new(&health, &ready.store, &secrets).start(&state);
        println!("Serving {url}");
        activation::tell_ready();
        let metrics = telemetry.metrics.as_ref().map(|metrics| metrics.edge());
        if let Some(reloader) = reloader {
            serving.spawn(reloader.run(metrics.clone(), stop.clone()));
        }
        let server = Server { router: ready.router, tls: certificate, proxies, metrics };
        serving.spawn(server.serve(listener, stop));
        signals.next().await;
        health.stopping();
        let result = drain(serving, &stopper, &mut signals).await;
        ready.stopping.store(true, Ordering::Relaxed);
        if let Some(spans) = spans {
            spans.flush().await;
        }
        result
    }

    /// How the log is written.
    pub fn log_format(&self) -> LogFormat {
        self.telemetry.log_format
    }

    /// The sockets: passed on, or bound now. Probes are answered from now on.
    async fn listen(
        &self,
        app: &App,
        health: &Arc<Health>,
        certificate: Option<&Arc<Certificate>>,
        mut passed: Activation,
    ) -> Result<Listeners> {
        self.answer_probes(health, &mut passed).await?;
        let metrics = match (passed.tcp("metrics")?, self.telemetry.metrics_listen) {
            (Some(listener), _) => Some(listener),
            (None, Some(address)) => Some(probes::bind(address, "metrics").await?),
            (None, None) => None,
        };
        let http = match passed.tcp("http")? {
            Some(listener) => listener,
            None => server::bind(self.listen).await?,
        };
        let dns = match app.resolver {
            Some(_) => Some(self.dns.bind(&mut passed, certificate.cloned()).await?),
            None => None,
        };
        passed.finish()?;
        Ok(Listeners { http, dns, metrics })
    }

    /// Answers probes, from now on and until the process ends, if there is where to.
    async fn answer_probes(&self, health: &Arc<Health>, passed: &mut Activation) -> Result<()> {
        let listener = match (passed.tcp("health")?, self.health_listen) {
            (Some(listener), _) => listener,
            (None, Some(address)) => probes::bind(address, "health").await?,
            (None, None) => return Ok(()),
        };
        println!("Health on http://{}", listener.local_addr()?);
        tokio::spawn(health.clone().serve(listener));
        Ok(())
    }

    /// The application of the manifest, with what the options add to it.
    fn application(&self) -> Result<App> {
        let mut app = manifest::load(&self.from, manifest::Mode::portable(self.portable))?;
        let environment = arguments::environment(&self.environment)?;
        for component in app.components.values_mut() {
            component.environment.extend(environment.clone());
        }
        Ok(app)
    }

    /// The certificate, and what replaces it, if there is one.
    fn reloader(&self) -> Result<Option<Reloader>> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Reloader::read(certificate, key).map(Some),
            (None, None) => Ok(None),
            // Unless clap changes its mind about `requires`.
            _ => bail!("--tls-cert and --tls-key go together"),
        }
    }

    fn proxies(&self) -> Result<Proxies> {
        if self.proxy_protocol.len() > PROXIES_MAX {
            bail!("--proxy-protocol: at most {PROXIES_MAX} networks");
        }
        Ok(Proxies::new(&self.proxy_protocol))
    }
}

/// Lets what serves come to its end, unless the host is told a second time to stop.
async fn drain(mut serving: JoinSet<()>, stopper: &watch::Sender<bool>, signals: &mut Signals) -> Result<()> {
    activation::tell_stopping();
    tracing::info!("stopping: requests in flight may end");
    stopper.send_replace(true);
    let drained = async {
        while let Some(ended) = serving.join_next().await {
            ended?;
        }
        Ok(())
    };
    tokio::select! {
        drained = drained => drained,
        () = signals.next() => Err(anyhow::anyhow!("told twice to stop: requests in flight were cut off")),
    }
}

/// Lets the metrics be fetched, from now on and until the process ends, if there is where to.
fn answer_scrapes(telemetry: &Telemetry, listener: Option<TcpListener>) -> Result<()> {
    if let (Some(metrics), Some(listener)) = (&telemetry.metrics, listener) {
        println!("Metrics on http://{}/metrics", listener.local_addr()?);
        tokio::spawn(exposition::serve(metrics.clone(), listener));
    }
    Ok(())
}

/// Makes the folder, if need be; its path is absolute, as Wasmtime wants it for its cache.
fn folder(path: &Path) -> Result<PathBuf> {
    // It holds what travellers and operators gave, which is nobody else's to read.
    let mut maker = DirBuilder::new();
    maker.recursive(true).mode(0o700);
    maker.create(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path.canonicalize()?)
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

/// What tells the host to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
