//! The registry of worlds, and the answers to DNS questions about them.
//!
//! - [`names`]: the names that worlds and hosts may have.
//! - [`confusables`]: names that look alike.
//! - [`record`]: the world record that an operator signs; [`live`]: what changes by the minute.
//! - [`projection`] and [`parameters`]: what a record says in DNS; [`browsing`]: the zone's list.
//! - [`registry`]: registering a world in one commit, and looking it up.
//! - [`lease`]: how long a world is shown without being heard of.
//! - [`actions`] and [`operators`]: what operators do besides, and their keys.
//! - [`place`], [`control`] and [`delegation`]: names in the zone, domains of operators, and
//!   subtrees of other ports.
//! - [`maintenance`]: what falls due without anybody asking.
//! - [`dns`] and [`doh`]: DNS messages, and DNS messages over HTTP.
//! - [`designated`]: how the port is reached over encrypted transports.
//! - [`secondaries`] and [`update`]: the service to other name servers, and changes by DNS.
//! - [`zone_import`]: names from a master file.
//! - [`terms`] and [`index`]: what a world can be found by, and where that is kept.
//! - [`search`]: finding worlds.
//! - [`changes`]: what has changed, for those who watch.
//! - [`http`]: the component's HTTP API.
//! - [`minecraft_networks`]: worlds to import from a list of Minecraft networks.
//! - [`error`]: every refusal, by name.
//! - [`options`]: the component's own variables.
//! - [`keys`]: where the component's state is in the store.

pub mod actions;
pub mod browsing;
pub mod changes;
mod commit;
pub mod confusables;
pub mod control;
pub mod delegation;
pub mod designated;
pub mod dns;
pub mod doh;
pub mod error;
pub mod http;
pub mod index;
pub mod keys;
pub mod lease;
pub mod live;
pub mod maintenance;
pub mod minecraft_networks;
pub mod names;
pub mod operators;
pub mod options;
pub mod parameters;
pub mod place;
pub mod projection;
pub mod record;
pub mod registry;
pub mod search;
pub mod secondaries;
pub mod terms;
pub mod update;
pub mod zone_import;

#[cfg(target_family = "wasm")]
mod component {
    #![allow(unsafe_code, reason = "the export macros generate it")]

    use crate::options::OPTIONS;
    use crate::registry::{Registration, Shown, World};
    use crate::{
        actions, control, dns, http, lease, maintenance, operators, place, registry, search, secondaries,
    };
    use bindings::exports::vwp::discovery::registry as api;
    use bindings::exports::vwp::discovery::resolver;
    use bindings::exports::vwp::timer::scheduled;
    use bindings::vwp::discovery::types;
    use vwp_core::jose::Jwk;
    use vwp_core::{Environment, Problem};
    use vwp_dns::edge::Transport;
    use vwp_dns::secondaries::Notification;
    use vwp_guest::http_types::{ErrorCode, Request, Response};
    use vwp_guest::{Answer, HttpHandler, Network, Parts, Store};

    mod bindings {
        #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
        spin_sdk::wit_bindgen::generate!({
            path: ["../../wit/timer", "../../wit/discovery"],
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

        async fn standing(name: String) -> Result<Option<types::Standing>, types::Error> {
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

        async fn challenge(name: String, operator: String) -> Result<types::Challenge, types::Error> {
            let call =
                async |environment: &Environment<'_>| control::challenge_of(environment, &name, &operator);
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
        async fn answer(
            query: Vec<u8>,
            transport: resolver::Transport,
        ) -> Result<resolver::Reply, types::Error> {
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
                let told = |due: Notification| resolver::Notification {
                    to: due.to.to_string(),
                    message: due.message,
                };
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

    fn describe(world: World, environment: &Environment<'_>) -> types::RegisteredWorld {
        let fields = world.fields;
        let endpoint = |endpoint: crate::record::Endpoint| types::Endpoint {
            transport: endpoint.transport,
            host: endpoint.host,
            port: endpoint.port,
            priority: endpoint.priority,
            weight: endpoint.weight,
            region: endpoint.region,
            path: endpoint.path,
        };
        let texts = |texts: crate::record::Texts| {
            texts.0.into_iter().map(|(language, text)| types::Text { language, text }).collect()
        };
        let place = |at: crate::record::Location| types::Location {
            latitude: at.latitude,
            longitude: at.longitude,
            altitude: at.altitude,
        };
        types::RegisteredWorld {
            fqdn: registry::fqdn(&fields.name, environment),
            // A record is texts and finite numbers, whose serialisation cannot fail.
            fields: serde_json::to_string(&fields).unwrap_or_default(),
            name: fields.name,
            uuid: fields.uuid.to_string(),
            operator: world.operator,
            title: texts(fields.title),
            description: texts(fields.description),
            endpoints: fields.endpoints.into_iter().map(endpoint).collect(),
            tags: fields.tags,
            languages: fields.languages,
            rating: fields.rating.map(|rating| rating.level),
            location: fields.location.map(place),
            seq: fields.seq,
            issued_at: fields.iat,
            expires_at: fields.exp,
            signed: world.record,
        }
    }

    impl From<Shown> for types::Standing {
        fn from(shown: Shown) -> Self {
            Self {
                lease_ends_at: shown.lease_ends_at,
                stale: shown.is_stale,
                live: shown.live.map(|live| live.signed),
                transferred_to: shown.transferred_to,
            }
        }
    }

    impl From<lease::Heartbeat> for types::Heartbeat {
        fn from(made: lease::Heartbeat) -> Self {
            let lease::Heartbeat { name, seq, lease_ends_at, is_revived, version } = made;
            Self { name, seq, lease_ends_at, is_revived, version }
        }
    }

    impl From<actions::Done> for types::Done {
        fn from(done: actions::Done) -> Self {
            let actions::Done { action, operator, name, seq, version } = done;
            Self { action: action.as_str().to_owned(), operator, name, seq, version }
        }
    }

    impl From<control::Challenge> for types::Challenge {
        fn from(made: control::Challenge) -> Self {
            let control::Challenge { text, txt_name, url, expires_at, .. } = made;
            Self { text, txt_name, url, expires_at }
        }
    }

    impl From<operators::OperatorView> for types::KnownOperator {
        fn from(known: operators::OperatorView) -> Self {
            // A key is a struct of texts, whose serialisation cannot fail.
            let text = |key: &Jwk| serde_json::to_string(key).unwrap_or_default();
            let pending = |pending: operators::Pending| types::Recovery {
                key: text(&pending.key),
                requested_at: pending.requested_at,
                effective_at: pending.effective_at,
            };
            Self {
                id: known.id,
                keys: known.keys.iter().map(text).collect(),
                seq: known.state.seq,
                recovery: known.state.recovery,
                pending: known.state.pending.map(pending),
            }
        }
    }

    impl From<Registration> for types::Registration {
        fn from(made: Registration) -> Self {
            Self {
                name: made.name,
                fqdn: made.fqdn,
                operator: made.operator,
                seq: made.seq,
                version: made.version,
                expires_at: made.expires_at,
                receipt: made.receipt,
                is_new: made.is_new,
            }
        }
    }

    impl From<Problem> for types::Error {
        fn from(problem: Problem) -> Self {
            match problem.status.as_u16() {
                503 if problem.slug == "outcome-unknown" => Self::Unknown(problem.detail),
                503 => Self::Unavailable(problem.detail),
                500.. => Self::Internal,
                _ => Self::Refused(types::Refusal { reason: problem.slug.into(), detail: problem.detail }),
            }
        }
    }
}
