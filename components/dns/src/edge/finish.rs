//! From the plain answer to the asker's.

use super::opt::{COMPACT_OK, DNSSEC_OK, OPT_LENGTH, ReadOpt, append_opt, flags_of, split_opt};
use super::read::{Edns, HEADER_LENGTH, Query};
use super::stale::set_ttls;
use super::{NSID_LENGTH_MAX, Service, Transport, UDP_LENGTH_MAX, UDP_LENGTH_PLAIN, refuse};
use domain::base::header::{Header, HeaderCounts};
use domain::base::iana::{ExtendedErrorCode, OptRcode, OptionCode, Rcode};
use domain::base::opt::keepalive::IdleTimeout;
use domain::base::opt::{ExtendedError, Nsid, Opt, TcpKeepalive, UnknownOptData};

/// What encrypted answers are padded to a multiple of (RFC 8467, section 4.1).
const PADDED_LENGTH: usize = 468;
/// The bytes of an option's code and length (RFC 6891, section 6.1.2).
const OPTION_HEADER: usize = 4;

type Options = Opt<Vec<u8>>;

/// The answer to send to who asked `query`, from the answer to its plain form.
pub fn finish(query: &Query, plain: &[u8], transport: Transport, service: &Service<'_>) -> Vec<u8> {
    let finished = splice(query, plain, transport, service);
    // What is no answer to this question is not made one: that is a fault, and said to be.
    let failed = || splice(query, &refuse(query, OptRcode::SERVFAIL, None), transport, service);
    finished.or_else(failed).unwrap_or_default()
}

/// The answer to a datagram that is not answered before its sender shows that it can
/// receive at its address: with a cookie (RFC 7873, section 5.2.3) or, if it knows none, over TCP.
pub fn demand_cookie(query: &Query, service: &Service<'_>) -> Vec<u8> {
    let knows_cookies = query.answering_cookie(service).is_some();
    let rcode = if knows_cookies { OptRcode::BADCOOKIE } else { OptRcode::NOERROR };
    let mut answer = finish(query, &refuse(query, rcode, None), Transport::Udp, service);
    if !knows_cookies && answer.len() >= HEADER_LENGTH {
        Header::for_message_slice_mut(&mut answer).set_tc(true);
    }
    answer
}

fn splice(query: &Query, plain: &[u8], transport: Transport, service: &Service<'_>) -> Option<Vec<u8>> {
    let (body, opt) = split_opt(plain)?;
    if !query.is_answered_by(body) {
        return None;
    }
    let mut message = Vec::with_capacity(body.len() + 64);
    message.extend(body);
    let question_end = HEADER_LENGTH + query.question.len();
    // The question goes back as it came, in the case of its letters too. What points to
    // its name in the answer still does, because it is as long as before.
    message.get_mut(HEADER_LENGTH..question_end)?.copy_from_slice(&query.question);
    let header = Header::for_message_slice_mut(&mut message);
    header.set_id(query.id);
    header.set_rd(query.recursion_desired);
    let rcode = opt.as_ref().map_or(header.rcode().into(), |opt| opt.rcode(*header));
    if opt.is_some() {
        HeaderCounts::for_message_slice_mut(&mut message).dec_arcount();
    }
    if service.is_stale {
        set_ttls(&mut message);
    }
    let edns = query.edns.as_ref();
    let mut options = edns.map(|edns| options(query, edns, opt.as_ref(), rcode, transport, service));
    let opt_length = options.as_ref().map_or(0, |options| OPT_LENGTH + options.len());
    let length_max = length_max(edns, transport).saturating_sub(service.reserved);
    if message.len() + opt_length > length_max {
        truncate(&mut message, question_end);
    }
    if let (Some(edns), Some(options)) = (edns, &mut options) {
        if transport.is_encrypted() {
            pad(options, message.len() + opt_length, length_max);
        }
        // RFC 3225, section 3: DO is copied. CO is set by who answers (RFC 9824, section 5.1).
        let compact_ok = opt.as_ref().map_or(0, |opt| flags_of(opt) & COMPACT_OK);
        let flags = edns.flags & DNSSEC_OK | compact_ok;
        append_opt(&mut message, rcode, flags, options);
    }
    Some(message)
}

fn options(
    query: &Query,
    edns: &Edns,
    plain: Option<&ReadOpt<'_>>,
    rcode: OptRcode,
    transport: Transport,
    service: &Service<'_>,
) -> Options {
    let mut options = Options::empty();
    // Each push could only fail for a record of 64 KiB; these have a few hundred bytes.
    if edns.wants_nsid && !service.nsid.is_empty() {
        let nsid = service.nsid.get(..NSID_LENGTH_MAX).unwrap_or(service.nsid);
        let _ = Nsid::from_octets(nsid).map(|nsid| options.push(&nsid));
    }
    if let Some(cookie) = query.answering_cookie(service) {
        let _ = options.push(&cookie);
    }
    // RFC 7828, section 3.3.2: over streams, to who asked. HTTP has its own way.
    if edns.wants_keepalive
        && matches!(transport, Transport::Tcp | Transport::Tls)
        && let Some(idle) = service.keepalive.and_then(|idle| IdleTimeout::try_from(idle).ok())
    {
        let _ = options.push(&TcpKeepalive::new(Some(idle)));
    }
    let reasons = plain.into_iter().flat_map(|opt| opt.opt().iter::<UnknownOptData<_>>()).flatten();
    for reason in reasons.filter(|option| option.code() == OptionCode::EXTENDED_ERROR) {
        let _ = options.push(&reason);
    }
    // RFC 8914, sections 4.4 and 4.20.
    let stale = service.is_stale.then_some(match rcode.rcode() {
        Rcode::NXDOMAIN => ExtendedErrorCode::STALE_NXDOMAIN_ANSWER,
        _ => ExtendedErrorCode::STALE_ANSWER,
    });
    for code in service.ede.into_iter().chain(stale) {
        let _ = ExtendedError::<Vec<u8>>::new(code, None).map(|error| options.push(&error));
    }
    options
}

/// An answer without records that says so (RFC 2181, section 9): the asker comes again over
/// TCP. All or nothing, because a part of a referral or of a proof helps nobody.
fn truncate(message: &mut Vec<u8>, question_end: usize) {
    message.truncate(question_end);
    Header::for_message_slice_mut(message).set_tc(true);
    let counts = HeaderCounts::for_message_slice_mut(message);
    counts.set_ancount(0);
    counts.set_nscount(0);
    counts.set_arcount(0);
}

/// Hides from who sees only the length which answer it is (RFC 7830). Where all can be
/// read, nothing is hidden by that.
fn pad(options: &mut Options, length: usize, length_max: usize) {
    let least = length + OPTION_HEADER;
    let padding = (least.next_multiple_of(PADDED_LENGTH).min(length_max)).saturating_sub(least);
    if let Ok(length) = u16::try_from(padding)
        && least <= length_max
    {
        let _ = options.push_raw_option(OptionCode::PADDING, length, |target| {
            target.resize(target.len() + padding, 0);
            Ok(())
        });
    }
}

fn length_max(edns: Option<&Edns>, transport: Transport) -> usize {
    usize::from(match (transport, edns) {
        (Transport::Tcp | Transport::Tls | Transport::Https, _) => u16::MAX,
        (Transport::Udp, None) => UDP_LENGTH_PLAIN,
        // RFC 6891, section 6.2.3: smaller values count as 512.
        (Transport::Udp, Some(edns)) => edns.udp_length.clamp(UDP_LENGTH_PLAIN, UDP_LENGTH_MAX),
    })
}
