//! NOTIFY (RFC 1996): tells other name servers what the resolver wants them told, and
//! tells them again until they answer.

use super::resolver::{Notification, Resolver};
use crate::networks::BlockedNetworks;
use crate::server::stopped;
use domain::base::Message;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

/// How often the resolver is asked, besides after each run of scheduled work.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the first answer is waited for; twice as long for each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How often a message is sent in all (RFC 1996, section 3.6): once, and five times again.
const SENDINGS_MAX: u32 = 6;
/// How many messages wait for an answer at once; beyond that new ones are dropped, and a
/// secondary finds out by its own refresh timer.
const IN_FLIGHT_MAX: usize = 1024;
/// The longest answer that is read; the rest of it says nothing.
const ANSWER_LENGTH_MAX: usize = 4096;

/// What a message is about: a newer one to the same server makes an older one void.
type Subject = (SocketAddr, Vec<u8>);

/// Sends what the resolver wants to be sent.
pub struct Notifier {
    resolver: Resolver,
    blocked: BlockedNetworks,
    in_flight: HashMap<Subject, AbortHandle>,
    tasks: JoinSet<()>,
}

impl Notifier {
    /// With the networks that nothing may be sent to.
    pub fn new(resolver: Resolver, blocked: BlockedNetworks) -> Self {
        Self { resolver, blocked, in_flight: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Asks and sends until `stop` turns true. `ring` makes it ask at once.
    pub async fn run(mut self, ring: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = ring.notified() => {}
                () = stopped(&mut stop) => return,
            }
            match self.resolver.notifications().await {
                Ok(notifications) => notifications.into_iter().for_each(|one| self.send(one)),
                Err(error) => tracing::debug!("the resolver does not say whom to notify: {error}"),
            }
        }
    }

    fn send(&mut self, notification: Notification) {
        while self.tasks.try_join_next().is_some() {}
        self.in_flight.retain(|_, task| !task.is_finished());
        let Ok(to) = notification.to.parse::<SocketAddr>() else {
            return tracing::warn!(to = notification.to, "a NOTIFY has no address to go to");
        };
        if self.blocked.contain(to.ip()) {
            return tracing::warn!(%to, "a NOTIFY was not sent: the runtime configuration blocks that network");
        }
        let Some(subject) = subject(to, &notification.message) else {
            return tracing::warn!(%to, "a NOTIFY was not sent: it is no DNS message with a question");
        };
        if let Some(older) = self.in_flight.remove(&subject) {
            older.abort();
        }
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return tracing::warn!(%to, "a NOTIFY was not sent: too many are not answered");
        }
        let task = self.tasks.spawn(async move {
            match deliver(to, &notification.message, FIRST_WAIT).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!(%to, "a NOTIFY was not answered"),
                Err(error) => tracing::warn!(%to, "a NOTIFY was not sent: {error}"),
            }
        });
        self.in_flight.insert(subject, task);
    }
}

/// The server, and the question: the zone's name, type and class.
fn subject(to: SocketAddr, message: &[u8]) -> Option<Subject> {
    let message = Message::from_slice(message).ok()?;
    let question = message.sole_question().ok()?;
    let key = format!("{} {} {}", question.qname(), question.qtype(), question.qclass());
    Some((to, key.to_ascii_lowercase().into_bytes()))
}

/// Sends the message until it is answered; whether it was.
async fn deliver(to: SocketAddr, message: &[u8], first_wait: Duration) -> io::Result<bool> {
    let unspecified: IpAddr =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A port of its own, and connected, so that only that server's answers arrive.
    let socket = UdpSocket::bind((unspecified, 0)).await?;
    socket.connect(to).await?;
    let mut buffer = vec![0; ANSWER_LENGTH_MAX];
    let mut wait = first_wait;
    for _ in 0..SENDINGS_MAX {
        let until = Instant::now() + wait;
        // A server that is just starting refuses the datagram; it may take the next one.
        let _ = socket.send(message).await;
        while let Ok(received) = timeout_at(until, socket.recv(&mut buffer)).await {
            if let Ok(length) = received
                && answers(message, &buffer[..length])
            {
                return Ok(true);
            }
            if received.is_err() {
                // It refused: nothing more will come before the message is sent again.
                tokio::time::sleep_until(until).await;
            }
        }
        wait *= 2;
    }
    Ok(false)
}

/// Whether this is the answer to that message (RFC 1996, section 3.7): the same id, opcode
/// and question.
fn answers(message: &[u8], received: &[u8]) -> bool {
    let (Ok(message), Ok(received)) = (Message::from_slice(message), Message::from_slice(received)) else {
        return false;
    };
    let (sent, back) = (message.header(), received.header());
    if !back.qr() || back.id() != sent.id() || back.opcode() != sent.opcode() {
        return false;
    }
    match (message.sole_question(), received.sole_question()) {
        (Ok(sent), Ok(back)) => sent == back,
        // Some answer without repeating the question.
        (Ok(_), Err(_)) => received.header_counts().qdcount() == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::iana::{Opcode, Rtype};
    use domain::base::{MessageBuilder, Name};
    use std::str::FromStr;

    fn notify(zone: &str) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(0x1234);
        builder.header_mut().set_opcode(Opcode::NOTIFY);
        let mut builder = builder.question();
        let zone = Name::<Vec<u8>>::from_str(zone).expect("a name");
        builder.push((&zone, Rtype::SOA)).expect("room");
        builder.finish()
    }

    fn answer(notify: &[u8]) -> Vec<u8> {
        let mut answer = notify.to_vec();
        answer[2] |= 0x80;
        answer
    }

    #[test]
    fn only_the_answer_to_a_message_ends_its_repetition() {
        let sent = notify("zone.test");
        assert!(answers(&sent, &answer(&sent)));
        assert!(!answers(&sent, &sent), "its echo");
        assert!(!answers(&sent, &answer(&notify("other.test"))));
        let mut other_id = answer(&sent);
        other_id[0] ^= 1;
        assert!(!answers(&sent, &other_id));
        for length in 0..sent.len() {
            assert!(!answers(&sent, &answer(&sent)[..length]));
        }
    }

    #[test]
    fn messages_about_one_zone_to_one_server_have_one_subject() {
        let to = "192.0.2.1:53".parse().expect("an address");
        assert_eq!(subject(to, &notify("zone.test")), subject(to, &notify("Zone.Test")));
        assert_ne!(subject(to, &notify("zone.test")), subject(to, &notify("other.test")));
        assert_eq!(subject(to, b"no message"), None);
    }

    #[tokio::test]
    async fn a_message_is_sent_again_until_it_is_answered() {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let to = server.local_addr().expect("an address");
        let message = notify("zone.test");
        let sent = message.clone();
        let sender = tokio::spawn(async move { deliver(to, &sent, Duration::from_millis(1)).await });
        let mut buffer = [0; 512];
        for sending in 0..3 {
            let (length, client) = server.recv_from(&mut buffer).await.expect("the message");
            assert_eq!(buffer[..length], message);
            if sending == 2 {
                server.send_to(&answer(&message), client).await.expect("sent");
            }
        }
        assert!(sender.await.expect("no panic").expect("a socket"));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let to = server.local_addr().expect("an address");
        let given_up = deliver(to, &notify("zone.test"), Duration::from_millis(1)).await;
        assert!(!given_up.expect("a socket"));
        let mut buffer = [0; 512];
        for _ in 0..SENDINGS_MAX {
            server.recv_from(&mut buffer).await.expect("the message");
        }
        assert!(server.try_recv_from(&mut buffer).is_err(), "nothing more was sent");
    }
}
