//! What one source may have of the DNS service, so that it neither takes all of it nor
//! turns it against others.

use super::rates::{Rates, Standing};
use crate::manifest::DnsLimits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Of the answers over UDP that are too many, every second one is sent cut, so that a
/// resolver behind a forged source gets through over TCP.
const SLIP: u32 = 2;

/// What becomes of an answer over UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is sent.
    Sent,
    /// It is sent without its records, and marked as cut (TC): the client asks over TCP.
    Cut,
    /// It is not sent.
    Dropped,
}

/// What is bounded per source.
pub struct Guard {
    limits: DnsLimits,
    queries: Rates,
    responses: Rates,
    over: AtomicU32,
    origin: Instant,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Guard {
    /// With nothing used yet.
    pub fn new(limits: DnsLimits, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            limits,
            queries: Rates::default(),
            responses: Rates::default(),
            over: AtomicU32::new(0),
            origin: now,
            open: Mutex::default(),
        })
    }

    /// Whether a source may ask one more question.
    pub fn query(&self, client: IpAddr, now: Instant) -> Standing {
        match NonZeroU32::new(self.limits.queries_per_second_max) {
            Some(rate) if !self.is_exempt(client) => {
                self.queries.charge(&source(client), rate, self.elapsed_us(now))
            }
            _ => Standing::Free,
        }
    }

    /// Whether a network may have one more answer of this kind over UDP: response rate
    /// limiting, as BIND, NSD and Knot do it. The answer is one for nobody in particular.
    pub fn answer(&self, client: IpAddr, message: &[u8], now: Instant) -> Fate {
        let Some(rate) = NonZeroU32::new(self.limits.answers_per_second_max) else {
            return Fate::Sent;
        };
        if self.is_exempt(client) {
            return Fate::Sent;
        }
        let account = (network(client), Kind::of(message));
        match self.responses.charge(&account, rate, self.elapsed_us(now)) {
            Standing::Over if self.over.fetch_add(1, Ordering::Relaxed).is_multiple_of(SLIP) => Fate::Cut,
            Standing::Over => Fate::Dropped,
            Standing::Free | Standing::Busy => Fate::Sent,
        }
    }

    /// Counts a connection of a source until the result is dropped; none if there are
    /// enough of that source.
    pub fn connect(self: &Arc<Self>, client: IpAddr) -> Option<Connected> {
        let source = source(client);
        let mut open = self.open();
        let count = open.entry(source).or_default();
        // No entry is left behind: a source that has enough has one already.
        if *count >= self.limits.connections_per_source_max && !self.is_exempt(client) {
            return None;
        }
        *count += 1;
        Some(Connected { guard: self.clone(), source })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing is ever half done under this lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_exempt(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.limits.exempt_networks.iter().any(|network| network.contains(&client))
    }

    fn elapsed_us(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX)
    }
}

/// A connection that is counted.
pub struct Connected {
    guard: Arc<Guard>,
    source: IpAddr,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut open = self.guard.open();
        if let Some(count) = open.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}

/// Who has an address: in IPv6 whoever has its /64.
fn source(client: IpAddr) -> IpAddr {
    cut(client, 32, 64)
}

/// The networks that share a limit of answers: /24 and /56, as other name servers have it.
fn network(client: IpAddr) -> IpAddr {
    cut(client, 24, 56)
}

fn cut(client: IpAddr, length_v4: u32, length_v6: u32) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length_v4).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - length_v6).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// The answers that share a limit. One that has records has a limit for its question, as
/// a busy resolver may ask for many names; the others are what a flood of random names
/// gets, and share one.
#[derive(Hash)]
enum Kind<'a> {
    Records(&'a [u8]),
    Empty,
    Referral,
    Error(u8),
}

impl<'a> Kind<'a> {
    /// By the header (RFC 1035, section 4.1.1).
    fn of(message: &'a [u8]) -> Self {
        let Some((&[_, _, flags, more_flags, _, _, answers, more_answers, ..], rest)) =
            message.split_first_chunk::<12>()
        else {
            return Self::Error(0);
        };
        match (more_flags & 0x0f, flags & 0x04 != 0) {
            (0, _) if (answers, more_answers) != (0, 0) => Self::Records(question(rest)),
            (0, true) => Self::Empty,
            (0, false) => Self::Referral,
            (code, _) => Self::Error(code),
        }
    }
}

/// The name that was asked for, as it stands in the message: labels up to an empty one.
fn question(rest: &[u8]) -> &[u8] {
    let mut length = 0;
    while let Some(&label) = rest.get(length)
        && label != 0
    {
        length += usize::from(label) + 1;
    }
    rest.get(..length).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn guard(answers: u32, queries: u32) -> (Arc<Guard>, Instant) {
        let limits = DnsLimits {
            answers_per_second_max: answers,
            queries_per_second_max: queries,
            connections_per_source_max: 2,
            exempt_networks: vec!["127.0.0.0/8".parse().expect("a network")],
            ..DnsLimits::default()
        };
        let now = Instant::now();
        (Guard::new(limits, now), now)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// The head of an answer to a question about `name`, with so many records.
    fn message(code: u8, records: u8, name: &[u8]) -> Vec<u8> {
        [&[0, 0, 0x84, code, 0, 1, 0, records, 0, 0, 0, 0][..], name, &[0, 0, 1, 0, 1]].concat()
    }

    fn count(fates: &[Fate], fate: Fate) -> usize {
        fates.iter().filter(|&&other| other == fate).count()
    }

    #[test]
    fn too_many_equal_answers_to_a_network_are_cut_or_dropped_by_turns_and_later_sent_again() {
        let (guard, now) = guard(10, 0);
        let answer = message(0, 1, b"\x01a");
        let ask = |client: &str, message: &[u8], now| guard.answer(address(client), message, now);
        let fates: Vec<Fate> = (0..30).map(|n| ask(&format!("192.0.2.{n}"), &answer, now)).collect();
        assert_eq!(count(&fates, Fate::Sent), 10);
        assert_eq!(count(&fates, Fate::Cut), 10);
        assert_eq!(count(&fates, Fate::Dropped), 10);
        assert_eq!(ask("198.51.100.1", &answer, now), Fate::Sent, "another network");
        assert_eq!(ask("192.0.2.1", &message(0, 1, b"\x01b"), now), Fate::Sent, "another name");
        assert_eq!(ask("127.0.0.1", &answer, now), Fate::Sent, "a network that is exempt");
        assert_eq!(ask("192.0.2.1", &answer, now + Duration::from_secs(1)), Fate::Sent);
    }

    #[test]
    fn a_flood_of_random_names_has_one_limit_whatever_the_names() {
        let (guard, now) = guard(10, 0);
        let client = address("2001:db8::1");
        let fates: Vec<Fate> = (0..30).map(|n| guard.answer(client, &message(3, 0, &[1, n]), now)).collect();
        assert_eq!(count(&fates, Fate::Sent), 10);
    }

    #[test]
    fn a_source_that_asks_too_much_is_told_apart_from_its_neighbours() {
        let (guard, now) = guard(0, 10);
        let over =
            |client: &str| (0..30).filter(|_| guard.query(address(client), now) == Standing::Over).count();
        assert_eq!(over("192.0.2.1"), 20);
        assert_eq!(over("192.0.2.2"), 20);
        assert_eq!(over("2001:db8::1"), 20);
        assert_eq!(over("2001:db8::2"), 30, "one network of IPv6 is one source");
        assert_eq!(over("::ffff:192.0.2.1"), 30, "the same source in another form");
        assert_eq!(over("127.0.0.1"), 0);
    }

    #[test]
    fn connections_of_a_source_are_counted_while_they_are_open() {
        let (guard, _) = guard(0, 0);
        let client = address("192.0.2.1");
        let first = guard.connect(client);
        let second = guard.connect(client);
        assert!(first.is_some() && second.is_some());
        assert!(guard.connect(client).is_none());
        assert!(guard.connect(address("192.0.2.2")).is_some());
        drop(first);
        assert!(guard.connect(client).is_some());
        drop(second);
        assert!(guard.open().is_empty());
    }

    #[test]
    fn any_bytes_have_a_kind() {
        for length in 0..40 {
            for byte in [0, 1, 0x3f, 0xff] {
                let _ = Kind::of(&vec![byte; length]);
            }
        }
    }
}
