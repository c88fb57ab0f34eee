//! HTTP: the least that a component can answer beside hyper alone, in this process; and
//! looking up a world, through the gateway and the registry, in a `vwp up`; and what everybody may keep, from the
//! cache beside the same from the component.

use crate::guests::{self, Profile};
use crate::measure::{Figures, Side, rounds};
use crate::report::Row;
use crate::{Bench, http_cache, tools};
use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use vwp_runtime::admission::Room;
use vwp_runtime::handler::Handler;
use vwp_runtime::manifest::{Pattern, RouteLimits};
use vwp_runtime::proxy::Proxies;
use vwp_runtime::server::{self, Server};
use vwp_runtime::telemetry::Telemetry;
use vwp_runtime::{engine, host, http as trigger};
use wasmtime::component::Component;

/// The three in turns.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    tools::need("wrk", "wrk")?;
    bench.progress.say("building a guest that says hello");
    let bare = bench.runtime.block_on(bare())?;
    let hello = bench.runtime.block_on(Hello::start(bench.scratch.path()))?;
    bench.with_port(|port| {
        let script = port.registry().script(bench.scratch.path())?;
        let latencies: [RefCell<Figures>; 3] = Default::default();
        let [bare_p99, hello_p99, lookup_p99] = &latencies;
        let load = |address, script: Option<&Path>, latencies: &RefCell<Figures>, turn: Duration| {
            let load = tools::wrk(&format!("http://{address}/"), turn, script)?;
            latencies.borrow_mut().push(load.p99_ms);
            Ok(load.per_second)
        };
        let mut bare = |turn| load(bare, None, bare_p99, turn);
        let mut hello_side = |turn| load(hello.address, None, hello_p99, turn);
        let mut lookup = |turn| load(port.http, Some(&script), lookup_p99, turn);
        let sides = [
            ("bare hyper", &mut bare as Side<'_>),
            ("hello in a component", &mut hello_side),
            ("world lookup", &mut lookup),
        ];
        let [bare, hello, lookup] = rounds(bench.effort, &bench.progress, sides)?;
        let [bare_p99, hello_p99, lookup_p99] = latencies.map(RefCell::into_inner);
        let yardstick = ("bare hyper", &bare);
        let mut rows = vec![
            Row::rate("hello in a component", "requests", &hello, yardstick, Some(0.3)),
            Row::quantity("hello, 99 of 100 within", "ms", &hello_p99, Some(("bare hyper", &bare_p99)), None),
            Row::rate("world lookup, vwp up", "requests", &lookup, ("hello", &hello), None),
            Row::quantity(
                "world lookup, 99 of 100 within",
                "ms",
                &lookup_p99,
                Some(("hello", &hello_p99)),
                None,
            ),
        ];
        rows.extend(http_cache::rows(bench, port)?);
        Ok(rows)
    })
}

/// hyper with nothing around it.
pub(crate) async fn bare() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let answer = |_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            };
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer)),
            );
        }
    });
    Ok(address)
}

/// A component behind everything that `vwp up` puts before one, on the same executor as
/// hyper alone.
struct Hello {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
    _ticker: engine::EpochTicker,
}

impl Hello {
    async fn start(scratch: &Path) -> Result<Self> {
        let bytes = guests::build("hello", Profile::Wide)?;
        let engine = engine::engine()?;
        let linker = host::linker(&engine)?;
        let wait = Duration::from_secs(1);
        let room = Arc::new(Room::new(wait));
        let hello = linker.instantiate_pre(&Component::new(&engine, &bytes)?)?;
        let handler = Handler::new(&engine, hello, &guests::grants("hello", scratch)?, &room)?;
        let pattern = Pattern::parse("/...").ok().context("the route is malformed")?;
        let route = trigger::Served { pattern, handler, limits: RouteLimits::default(), cache: false };
        let router = Arc::new(trigger::Router::new(vec![route], wait, 0, &Telemetry::default()));
        let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let (stopper, stop) = watch::channel(false);
        let server = Server { router, tls: None, proxies: Proxies::default(), metrics: None };
        tokio::spawn(server.serve(listener, stop));
        Ok(Self { address, _stop: stopper, _ticker: engine::EpochTicker::start(&engine)? })
    }
}
