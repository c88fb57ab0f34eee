//! Messages that are not plain questions: signed ones, transfers, updates.
//!
//! Other name servers sign what they ask, so that nobody but them is served a whole zone. A
//! signed question for anything else is answered as if it were not signed, and the answer is
//! signed too (RFC 8945, section 5.3).

use crate::{options, update};
use domain::base::Message;
use domain::base::iana::{ExtendedErrorCode, Opcode, Rcode};
use vwp_core::{Environment, Problem};
use vwp_dns::authority::Authority;
use vwp_dns::refusal::refuse;
use vwp_dns::secondaries::Notification;
use vwp_dns::transfer::{self, Reply, Request};
use vwp_dns::tsig::{self, Signer, keys::TsigKey};
use vwp_dns::{secondaries, trailer};
use vwp_storage::Kv;

/// What is to be done with a message.
#[derive(Debug)]
pub enum Taken {
    /// This is its answer.
    Reply(Reply),
    /// It is a question like others, and its answer is to be signed.
    Question {
        /// The question without its signature.
        request: Vec<u8>,
        /// Who signs the answer.
        signer: Box<Signer>,
    },
}

/// All zones of the port.
pub fn authority(environment: &Environment<'_>) -> Result<Authority, Problem> {
    let settings = environment.settings;
    Ok(Authority::new(options::zone(settings)?, options::policy(settings)?))
}

/// Takes a message that is not a plain question. `is_stream` says whether its answer may have
/// several messages.
pub async fn take<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    bytes: &[u8],
    is_stream: bool,
) -> Result<Taken, Problem> {
    let Ok(message) = Message::from_slice(bytes) else {
        return Ok(Taken::Reply(Reply::default()));
    };
    match message.header().opcode() {
        Opcode::UPDATE => Ok(reply(update::answer(store, environment, bytes).await?)),
        // RFC 1996, section 3.1: to be told of changes is for secondaries, and this is a primary.
        Opcode::NOTIFY => Ok(reply(refuse(bytes, Rcode::REFUSED, None))),
        _ => question(store, environment, bytes, is_stream).await,
    }
}

/// The next messages of a transfer.
pub async fn resume<S: Kv>(store: &S, environment: &Environment<'_>, more: &[u8]) -> Result<Reply, Problem> {
    Ok(transfer::resume(store, &authority(environment)?, environment, more).await?)
}

/// What is to be told to other name servers now.
pub async fn notifications<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
) -> Result<Vec<Notification>, Problem> {
    Ok(secondaries::notifications(store, &authority(environment)?, environment).await?)
}

async fn question<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    bytes: &[u8],
    is_stream: bool,
) -> Result<Taken, Problem> {
    let signature = match trailer::find(bytes) {
        Err(_) => return Ok(reply(refuse(bytes, Rcode::FORMERR, None))),
        Ok(None) => {
            let reason =
                (ExtendedErrorCode::PROHIBITED, "zones are transferred to those who sign with a key");
            return Ok(reply(refuse(bytes, Rcode::REFUSED, Some(reason))));
        }
        Ok(Some(trailer)) => tsig::Signature::read(trailer),
    };
    let Some(signature) = signature else {
        return Ok(reply(refuse(bytes, Rcode::FORMERR, None)));
    };
    let key = tsig::keys::find(store, environment, signature.key_name()).await?;
    let verified = match signature.verify(key.as_ref().map(|key| key.key.clone()), environment.now_seconds())
    {
        Ok(verified) => verified,
        Err(refusal) => return Ok(reply(refusal.0)),
    };
    let message = Message::from_slice(&verified.request).map_err(|_| Problem::internal())?;
    match key.filter(|key| is_for_secondary(message, key)) {
        Some(key) => {
            let request = Request { message, key, signer: verified.signer, is_stream };
            let reply = transfer::start(store, &authority(environment)?, environment, request).await?;
            Ok(Taken::Reply(reply))
        }
        None => Ok(Taken::Question { request: verified.request, signer: Box::new(verified.signer) }),
    }
}

/// A start of authority is asked for by secondaries, before a transfer, and by others.
fn is_for_secondary(message: &Message<[u8]>, key: &TsigKey) -> bool {
    match message.qtype() {
        Some(domain::base::Rtype::SOA) => key.info.may_transfer,
        _ => transfer::is_transfer(message),
    }
}

fn reply(message: Vec<u8>) -> Taken {
    let messages = if message.is_empty() { Vec::new() } else { vec![message] };
    Taken::Reply(Reply { messages, more: None })
}
