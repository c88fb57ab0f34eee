//! Zones for other name servers: a whole one (AXFR, RFC 5936), the difference to a later
//! serial number (IXFR, RFC 1995), and the serial number itself.
//!
//! Only whoever signs with a key that may transfer zones gets an answer. A transfer is made
//! in bounded pieces; between them, the host keeps its position.
//!
//! - [`snapshot`]: the zone at one commit, while it goes on changing.
//! - [`difference`]: what changed between two serial numbers.
//! - [`packer`]: records in messages.
//! - [`position`]: where a transfer goes on.

pub mod difference;
pub mod packer;
pub mod position;
pub mod snapshot;

use crate::DnsError;
use crate::authority::Authority;
use crate::name::{OrderedName, OwnName, lowercase};
use crate::publish::Head;
use crate::refusal::refuse;
use crate::secondaries;
use crate::tsig::{Signer, keys::TsigKey};
use crate::zone::Zone;
use difference::{Difference, head_of};
use domain::base::iana::{Class, ExtendedErrorCode, Rcode};
use domain::base::{Message, Rtype};
use domain::rdata::Soa;
use packer::{Packer, records, start_of_authority};
use position::{Position, Rest};
use snapshot::{PAGE_NODES, Snapshot};
use vwp_core::Environment;
use vwp_storage::Kv;

/// What a request is answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The messages to send, in order.
    pub messages: Vec<Vec<u8>>,
    /// What [`resume`] wants for the next ones; none at the end.
    pub more: Option<Vec<u8>>,
}

/// A request by somebody who has shown who it is.
#[derive(Debug)]
pub struct Request<'a> {
    /// The message, without its signature.
    pub message: &'a Message<[u8]>,
    /// Who it is.
    pub key: TsigKey,
    /// Signs the answer.
    pub signer: Signer,
    /// Whether it came over a stream, so that the answer may have several messages.
    pub is_stream: bool,
}

/// Whether a request is one for a zone.
pub fn is_transfer(message: &Message<[u8]>) -> bool {
    matches!(message.qtype(), Some(Rtype::AXFR | Rtype::IXFR))
}

/// Answers a request for a zone or for its serial number.
pub async fn start<S: Kv>(
    store: &S,
    authority: &Authority,
    environment: &Environment<'_>,
    request: Request<'_>,
) -> Result<Reply, DnsError> {
    let (message, now_s) = (request.message, environment.now_seconds());
    let Ok(question) = message.sole_question() else {
        return Ok(refused(request, Rcode::FORMERR, None, now_s));
    };
    if question.qclass() != Class::IN {
        return Ok(refused(request, Rcode::REFUSED, None, now_s));
    }
    if !request.key.info.may_transfer {
        let reason = (ExtendedErrorCode::PROHIBITED, "the key may not transfer zones");
        return Ok(refused(request, Rcode::REFUSED, Some(reason), now_s));
    }
    let Some(zone) = authority.zone_at(store, &lowercase(question.qname())).await? else {
        // RFC 5936, section 2.2.1.
        return Ok(refused(request, Rcode::NOTAUTH, None, now_s));
    };
    let head = authority.publish(store, &zone, environment).await?;
    let next = match question.qtype() {
        Rtype::SOA => None,
        Rtype::AXFR if request.is_stream => {
            Some(Next::Whole(Snapshot::new(head.version, OrderedName::apex())))
        }
        // RFC 5936, section 4.2: there is no transfer of a whole zone in a datagram.
        Rtype::AXFR => return Ok(refused(request, Rcode::FORMERR, None, now_s)),
        _ => match client_serial(message) {
            None => return Ok(refused(request, Rcode::FORMERR, None, now_s)),
            Some(serial) => next_since(store, &zone, &head, serial, request.is_stream).await?,
        },
    };
    let key = request.key.key.name().clone();
    let mut packer = Packer::answer(message, Some(request.signer), now_s);
    let (soa, signatures) = start_of_authority(&head, zone.apex());
    packer.extend(&soa);
    let Some(next) = next else {
        // RFC 1995, section 2: to whoever is up to date, and in a datagram.
        if question.qtype() == Rtype::IXFR && client_serial(message) == Some(head.serial) {
            secondaries::transferred(store, &key, &zone, head.serial, environment).await?;
        }
        return Ok(Reply { messages: packer.finish().0, more: None });
    };
    if matches!(next, Next::Whole(_)) {
        packer.extend(&signatures);
    }
    go_on(store, &zone, &head, environment, Piece { packer, next, key, id: message.header().id() }).await
}

/// The next messages of a transfer.
pub async fn resume<S: Kv>(
    store: &S,
    authority: &Authority,
    environment: &Environment<'_>,
    more: &[u8],
) -> Result<Reply, DnsError> {
    let position = Position::decode(more, environment)
        .ok_or_else(|| DnsError::Refused("this is not the position of a transfer".to_owned()))?;
    // A key that was withdrawn meanwhile, or a zone that was, ends the transfer.
    let key = crate::tsig::keys::find(store, environment, &position.key).await?;
    let zone = authority.zone_at(store, &position.apex).await?;
    let (Some(key), Some(zone)) = (key.filter(|key| key.info.may_transfer), zone) else {
        return Err(DnsError::Refused("the key or the zone is no longer there".to_owned()));
    };
    let head = head_of(store, &zone, position.serial).await?.ok_or(DnsError::Forgotten)?;
    let next = match position.rest {
        Rest::Whole(snapshot) => Next::Whole(snapshot),
        Rest::Differences(serial) => {
            let from = head_of(store, &zone, serial).await?.ok_or(DnsError::Forgotten)?;
            Next::Difference(difference::next(store, &zone, &from, &head).await?)
        }
    };
    let signer = Signer::resume(key.key, position.previous);
    let packer = Packer::go_on(position.id, Some(signer), environment.now_seconds());
    let piece = Piece { packer, next, key: position.key, id: position.id };
    go_on(store, &zone, &head, environment, piece).await
}

/// What a piece of a transfer consists of.
enum Next {
    /// The next names of the zone.
    Whole(Snapshot),
    /// The next difference.
    Difference(Difference),
}

/// A piece of a transfer that is being made.
struct Piece {
    packer: Packer,
    next: Next,
    key: OwnName,
    id: u16,
}

async fn go_on<S: Kv>(
    store: &S,
    zone: &Zone,
    head: &Head,
    environment: &Environment<'_>,
    mut piece: Piece,
) -> Result<Reply, DnsError> {
    let rest = match piece.next {
        Next::Whole(mut snapshot) => {
            for (name, node) in snapshot.page(store, zone, PAGE_NODES).await? {
                piece.packer.extend(&records(&name, &node, zone.apex()));
            }
            snapshot.from().is_some().then_some(Rest::Whole(snapshot))
        }
        Next::Difference(difference) => {
            piece.packer.extend(difference.removed.iter().chain(&difference.added));
            let reached = difference.to.serial;
            (reached != head.serial).then_some(Rest::Differences(reached))
        }
    };
    if rest.is_none() {
        // The end of either kind of transfer (RFC 5936, section 2.2; RFC 1995, section 4).
        piece.packer.extend(&start_of_authority(head, zone.apex()).0);
        secondaries::transferred(store, &piece.key, zone, head.serial, environment).await?;
    }
    let (messages, signer) = piece.packer.finish();
    let more = rest.zip(signer).map(|(rest, signer)| {
        let (apex, previous) = (zone.apex().clone(), signer.position().to_vec());
        let position = Position { id: piece.id, apex, serial: head.serial, key: piece.key, previous, rest };
        position.encode(environment)
    });
    Ok(Reply { messages, more })
}

/// What a client that has a serial number gets; none if the current one is all that it is told.
async fn next_since<S: Kv>(
    store: &S,
    zone: &Zone,
    head: &Head,
    serial: u32,
    is_stream: bool,
) -> Result<Option<Next>, DnsError> {
    // RFC 1995, section 2: a serial number that is not older (RFC 1982) is up to date.
    let is_older = head.serial.wrapping_sub(serial).cast_signed() > 0;
    if !is_older || !is_stream {
        return Ok(None);
    }
    // What cannot be told as a difference is told as a whole (RFC 1995, section 4).
    let whole = Next::Whole(Snapshot::new(head.version, OrderedName::apex()));
    let Some(from) = head_of(store, zone, serial).await? else {
        return Ok(Some(whole));
    };
    match difference::next(store, zone, &from, head).await {
        Ok(difference) => Ok(Some(Next::Difference(difference))),
        Err(DnsError::Forgotten) => Ok(Some(whole)),
        Err(error) => Err(error),
    }
}

/// The serial number that the client of an incremental transfer has (RFC 1995, section 3).
fn client_serial(message: &Message<[u8]>) -> Option<u32> {
    let mut authority = message.authority().ok()?.limit_to_in::<Soa<_>>();
    Some(authority.next()?.ok()?.data().serial().into_int())
}

fn refused(
    request: Request<'_>,
    rcode: Rcode,
    reason: Option<(ExtendedErrorCode, &'static str)>,
    now_s: u64,
) -> Reply {
    let (mut message, mut signer) = (refuse(request.message.as_slice(), rcode, reason), request.signer);
    signer.sign(&mut message, now_s);
    Reply { messages: vec![message], more: None }
}
