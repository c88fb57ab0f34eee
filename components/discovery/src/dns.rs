//! DNS messages (RFC 1035, section 4): which part of the port answers one.
//!
//! What a message is, and what every answer owes to its asker, is [`vwp_dns::edge`]'s; what
//! the zones say is [`vwp_dns::answer`]'s; what other name servers and operators ask is
//! [`crate::secondaries`]'s. Nothing that arrives is an error: a message that cannot be
//! answered gets an error message, or silence.

use crate::options::{self, Served};
use crate::secondaries::{self, Taken};
use vwp_core::{Environment, Problem};
use vwp_dns::answer::{self, Answering};
use vwp_dns::edge::{ExtendedErrorCode, Form, OptRcode, Query, Refusal, Service, Transport, finish, refuse};
use vwp_dns::tsig::{self, Signer};
use vwp_storage::Kv;
use vwp_storage::kv::Key;

/// The answer to a message.
#[derive(Debug, Default)]
pub struct Reply {
    /// The messages to send, in order; none: send nothing.
    pub messages: Vec<Vec<u8>>,
    /// Where a transfer goes on, for [`secondaries::resume`].
    pub more: Option<Vec<u8>>,
    /// The keys that the answer was made from; none: it is for this message alone.
    pub sources: Vec<Key>,
    /// How long the answer may be kept, in seconds.
    pub kept_s: u32,
    /// What went wrong on our side, for the log; the message is then a SERVFAIL.
    pub fault: Option<Problem>,
}

impl Reply {
    fn of(message: Vec<u8>) -> Self {
        Self { messages: vec![message], ..Self::default() }
    }
}

/// Answers a message.
pub async fn answer<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    message: &[u8],
    transport: Transport,
) -> Reply {
    let query = match Query::read(message) {
        Ok(query) => query,
        Err(Refusal::Silence) => return Reply::default(),
        Err(Refusal::Answer(answer)) => return Reply::of(answer),
    };
    match query.form() {
        Form::Ready(plain) => Reply::of(finish(&query, &plain, transport, &Service::default())),
        Form::Plain(_) => question(store, environment, &query, transport, &Service::default()).await,
        // RFC 9103, section 5.1: transfers are for streams of their own.
        Form::Whole if transport == Transport::Https && query.is_transfer() => {
            let plain = refuse(&query, OptRcode::REFUSED, Some(ExtendedErrorCode::PROHIBITED));
            Reply::of(finish(&query, &plain, transport, &Service::default()))
        }
        Form::Whole => whole(store, environment, &query, message, transport).await,
    }
}

/// Answers a question about a zone.
async fn question<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    query: &Query,
    transport: Transport,
    service: &Service<'_>,
) -> Reply {
    let served = match options::served(environment.settings) {
        Ok(served) => served,
        Err(fault) => return failed(query, transport, fault),
    };
    let Served { zone, policy, designated } = &*served;
    let answering = Answering { zone, policy, designated };
    let answer = answer::answer(store, &answering, environment, query).await;
    Reply {
        sources: answer.sources,
        kept_s: answer.kept_s,
        fault: answer.fault.map(Problem::from),
        ..Reply::of(finish(query, &answer.message, transport, service))
    }
}

/// Answers what is signed, a transfer, an update or a notification.
async fn whole<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    query: &Query,
    message: &[u8],
    transport: Transport,
) -> Reply {
    let is_stream = matches!(transport, Transport::Tcp | Transport::Tls);
    match secondaries::take(store, environment, message, is_stream).await {
        Ok(Taken::Reply(reply)) => Reply { messages: reply.messages, more: reply.more, ..Reply::default() },
        Ok(Taken::Question { request, signer }) => {
            signed(store, environment, &request, transport, *signer).await
        }
        Err(fault) => failed(query, transport, fault),
    }
}

/// Answers a question whose signature holds, and signs the answer (RFC 8945, section 5.3).
async fn signed<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &[u8],
    transport: Transport,
    mut signer: Signer,
) -> Reply {
    let Ok(query) = Query::read(request) else {
        return Reply::default();
    };
    let service = Service { reserved: tsig::length_max(signer.key()), ..Service::default() };
    let mut reply = match query.form() {
        Form::Plain(_) => question(store, environment, &query, transport, &service).await,
        Form::Ready(plain) => Reply::of(finish(&query, &plain, transport, &service)),
        // A second signature below the first one is nothing that anybody sends.
        Form::Whole => {
            Reply::of(finish(&query, &refuse(&query, OptRcode::FORMERR, None), transport, &service))
        }
    };
    for message in &mut reply.messages {
        signer.sign(message, environment.now_seconds());
    }
    // The signature is for this asker.
    Reply { sources: Vec::new(), kept_s: 0, ..reply }
}

fn failed(query: &Query, transport: Transport, fault: Problem) -> Reply {
    let plain = refuse(query, OptRcode::SERVFAIL, Some(ExtendedErrorCode::NOT_READY));
    let message = finish(query, &plain, transport, &Service::default());
    Reply { fault: Some(fault), ..Reply::of(message) }
}
