//! The registry of worlds as a component: `vwp-discovery` on the interfaces of `vwp:discovery`, on
//! HTTP, and on the timer.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

use bindings::exports::vwp::discovery::registry as api;
use bindings::exports::vwp::discovery::resolver;
use bindings::exports::vwp::timer::scheduled;
use bindings::vwp::discovery::types;
use convert::describe;
use vwp_core::Environment;
use vwp_discovery::options::OPTIONS;
use vwp_discovery::{
    actions, control, dns, http, lease, maintenance, operators, place, registry, search, secondaries,
};
use vwp_dns::edge::Transport;
use vwp_dns::secondaries::Notification;
use vwp_guest::http_types::{ErrorCode, Request, Response};
use vwp_guest::{Answer, HttpHandler, Network, Parts, Store};

mod convert;

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: ["../../../wit/timer", "../../../wit/discovery"],
        world: "vwp:discovery/discovery",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

struct Component;
bindings::export!(Component with_types_in bindings);

spin_sdk::wasip3::http::service::export!(Component);

impl HttpHandler for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        vwp_guest::serve_streaming(OPTIONS, request, async |environment, request| {
            match http::EventStream::wanted(&Store, environment, &request).await {
                Some(Ok(stream)) => Answer::Stream(Events(stream)),
                Some(Err(problem)) => Answer::Whole(problem.into_response()),
                None => Answer::Whole(http::handle(&Store, &Network, environment, request).await),
            }
        })
        .await
    }
}

struct Events(http::EventStream);

impl Parts for Events {
    fn head(&self) -> ::http::Response<()> {
        self.0.head()
    }

    async fn next(&mut self, environment: &Environment<'_>) -> Option<Vec<u8>> {
        self.0.next(&Store, environment).await
    }
}

impl api::Guest for Component {
    async fn register(signed: String) -> Result<types::Registration, types::Error> {
        let call = async |environment: &Environment<'_>| {
            registry::register(&Store, &Network, environment, &signed).await
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?.into())
    }

    async fn lookup(name: String) -> Result<Option<types::RegisteredWorld>, types::Error> {
        let call = async |environment: &Environment<'_>| {
            let name = place::world(&name, environment.settings)?;
            let world = registry::lookup(&Store, environment, &name).await?;
            Ok(world.map(|world| describe(world, environment)))
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?)
    }

    async fn inspect(name: String) -> Result<Option<types::Standing>, types::Error> {
        let call = async |environment: &Environment<'_>| {
            let name = place::world(&name, environment.settings)?;
            registry::show(&Store, environment, &name).await
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?.map(Into::into))
    }

    async fn renew(name: String, signed: String) -> Result<types::Heartbeat, types::Error> {
        let call = async |environment: &Environment<'_>| {
            let name = place::world(&name, environment.settings)?;
            lease::heartbeat(&Store, environment, &name, &signed).await
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?.into())
    }

    async fn act(signed: String) -> Result<types::Done, types::Error> {
        let call = async |environment: &Environment<'_>| actions::act(&Store, environment, &signed).await;
        Ok(vwp_guest::environment_with(OPTIONS, call).await?.into())
    }

    async fn request_challenge(name: String, operator: String) -> Result<types::Challenge, types::Error> {
        let call = async |environment: &Environment<'_>| control::challenge_of(environment, &name, &operator);
        Ok(vwp_guest::environment_with(OPTIONS, call).await?.into())
    }

    async fn operator(id: String) -> Result<Option<types::KnownOperator>, types::Error> {
        Ok(operators::lookup(&Store, &id).await?.map(Into::into))
    }

    async fn search(
        text: Option<String>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<types::Page, types::Error> {
        let question = search::Question { text, limit, cursor, ..search::Question::default() };
        let call = async |environment: &Environment<'_>| {
            let page = search::search(&Store, environment, &question).await?;
            let worlds = page.worlds.into_iter().map(|world| describe(world, environment)).collect();
            Ok(types::Page { worlds, next: page.next })
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?)
    }
}

impl resolver::Guest for Component {
    async fn answer(query: Vec<u8>, transport: resolver::Transport) -> Result<resolver::Reply, types::Error> {
        let transport = match transport {
            resolver::Transport::Udp => Transport::Udp,
            resolver::Transport::Tcp => Transport::Tcp,
            resolver::Transport::Tls => Transport::Tls,
            resolver::Transport::Https => Transport::Https,
        };
        let call = async |environment: &Environment<'_>| {
            let reply = dns::answer(&Store, environment, &query, transport).await;
            if let Some(fault) = reply.fault {
                eprintln!("a question was answered with SERVFAIL: {}", fault.detail);
            }
            let (messages, more) = (reply.messages, reply.more);
            Ok(resolver::Reply { messages, more, sources: reply.sources, kept_s: reply.kept_s })
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?)
    }

    async fn resume(more: Vec<u8>) -> Result<resolver::Reply, types::Error> {
        let call = async |environment: &Environment<'_>| {
            let reply = secondaries::resume(&Store, environment, &more).await?;
            let (messages, more) = (reply.messages, reply.more);
            Ok(resolver::Reply { messages, more, sources: Vec::new(), kept_s: 0 })
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?)
    }

    async fn notifications() -> Result<Vec<resolver::Notification>, types::Error> {
        let call = async |environment: &Environment<'_>| {
            let due = secondaries::notifications(&Store, environment).await?;
            let told =
                |due: Notification| resolver::Notification { to: due.to.to_string(), message: due.message };
            Ok(due.into_iter().map(told).collect())
        };
        Ok(vwp_guest::environment_with(OPTIONS, call).await?)
    }
}

impl scheduled::Guest for Component {
    async fn run() -> Result<u32, String> {
        let call = async |environment: &Environment<'_>| maintenance::run(&Store, environment).await;
        let report = vwp_guest::environment_with(OPTIONS, call).await;
        report.map(|report| report.next_ms).map_err(|problem| problem.detail)
    }
}
