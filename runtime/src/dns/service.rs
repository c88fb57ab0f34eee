//! From a message to what it is answered with.

use super::cache::{Cache, Found, Kept, Made};
use super::guard::{Fate, Guard};
use super::outage::Outage;
use super::rates::Standing;
use super::resolver::{self, Answered, Failure, Resolver};
use crate::flights::{self, Boarded, Flights, Landed};
use crate::proxy::Proxies;
use crate::telemetry::metrics::{self, Source};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use vwp_dns::edge::{
    self, COOKIE_SECRET_LENGTH, CookieState, ExtendedErrorCode, Form, OptRcode, Query, Refusal, Transport,
};

/// How long an answer is waited for while there is a stale one to give instead (RFC 8767,
/// section 5: the client response timer).
const STALE_WAIT: Duration = Duration::from_millis(1800);
/// How long it is waited for otherwise: who asked has given up, or asks again.
const ANSWER_WAIT: Duration = Duration::from_secs(4);
/// How long an update, a transfer's beginning or the like is waited for.
const WHOLE_WAIT: Duration = Duration::from_secs(30);
/// How long a connection may idle; asked for, it is told (RFC 7828).
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// The flag that marks an answer as cut (TC), in the third byte of a message.
const TRUNCATED: u8 = 0x02;

/// What the server says of itself.
#[derive(Default)]
pub struct Identity {
    /// Its name, for those who ask (RFC 5001); empty: none.
    pub nsid: Vec<u8>,
    /// The secret of its cookies (RFC 9018).
    pub cookie_secret: [u8; COOKIE_SECRET_LENGTH],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of every log.
        f.debug_struct("Identity").field("nsid", &self.nsid).finish_non_exhaustive()
    }
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The address that the message says it is from.
    pub address: IpAddr,
    /// How it came.
    pub transport: Transport,
}

/// The moment at which something is decided, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    at: Instant,
    unix_s: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), unix_s: since.as_secs() }
    }
}

/// What is to be done about a message.
#[derive(Debug)]
pub enum Step {
    /// Nothing: it deserves no answer, or may have none.
    Silence,
    /// It is answered with this.
    Send(Vec<u8>),
    /// The resolver has to be asked.
    Ask(Box<Asked>),
}

/// A message that the resolver has to be asked about.
#[derive(Debug)]
pub struct Asked {
    question: Question,
    what: What,
}

/// A message that was read.
#[derive(Debug)]
struct Question {
    asker: Asker,
    query: Query,
    /// Whether the asker has shown that it can receive at its address: by its cookie, or by
    /// its connection.
    is_proven: bool,
}

/// An answer that was not kept when its question came.
enum Resolved {
    /// The resolver made it.
    Made(Answered),
    /// It was made meanwhile, for this one or for somebody else.
    Kept(Arc<Kept>, Source),
}

/// How good an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Stale,
}

#[derive(Debug)]
enum What {
    /// A plain query, and the stale answer that there is.
    Plain(Vec<u8>, Option<Arc<Kept>>),
    /// A message whose answer depends on all of it.
    Whole(Vec<u8>),
}

/// What the resolver had to say: messages to send, and where a transfer goes on.
#[derive(Debug, Default)]
pub struct Replied {
    /// In order.
    pub messages: Vec<Vec<u8>>,
    /// What [`Service::resume`] wants.
    pub more: Option<Vec<u8>>,
}

impl From<Step> for Replied {
    /// What a decision comes to once nobody has to be asked any more.
    fn from(step: Step) -> Self {
        let messages = if let Step::Send(message) = step { vec![message] } else { Vec::new() };
        Self { messages, more: None }
    }
}

/// The plain answer where the resolver has none: that another attempt may succeed (RFC 8914,
/// section 4.15).
fn not_ready(query: &Query) -> Vec<u8> {
    edge::refuse(query, OptRcode::SERVFAIL, Some(ExtendedErrorCode::NOT_READY))
}

/// What answers messages.
pub struct Service {
    pub(super) resolver: Resolver,
    pub(super) cache: Option<Cache>,
    /// The questions that are under way to the resolver.
    pub(super) flights: Flights,
    pub(super) guard: Arc<Guard>,
    pub(super) identity: Identity,
    pub(super) outage: Outage,
    /// As many permits as zone transfers may run at once.
    pub(super) transfers: Semaphore,
    /// Where messages are counted, if they are.
    pub(super) metrics: Option<Arc<metrics::Dns>>,
    /// Whose connections begin with the address of their client.
    pub(super) proxies: Proxies,
    /// Where connections are counted, if they are.
    pub(super) edge: Option<Arc<metrics::Edge>>,
}

impl Service {
    /// Does what can be done at once, which is most of it while the cache is warm.
    pub fn begin(&self, message: &[u8], asker: Asker, now: Moment) -> Step {
        let mut source = Source::Host;
        let step = self.decide(message, asker, now, &mut source);
        self.count(asker, &step, source);
        step
    }

    fn count(&self, asker: Asker, step: &Step, source: Source) {
        let Some(metrics) = &self.metrics else { return };
        match step {
            Step::Silence => metrics.answered(asker.transport, None, source),
            Step::Send(answer) => metrics.answered(asker.transport, Some(answer), source),
            // It is counted when it is known what becomes of it.
            Step::Ask(_) => {}
        }
    }

    fn decide(&self, message: &[u8], asker: Asker, now: Moment, source: &mut Source) -> Step {
        let is_udp = asker.transport == Transport::Udp;
        // Streams are not read while their source is above its rate.
        let standing = if is_udp { self.guard.query(asker.address, now.at) } else { Standing::Free };
        if standing == Standing::Over {
            return Step::Silence;
        }
        let query = match Query::read(message) {
            Ok(query) => query,
            Err(Refusal::Silence) => return Step::Silence,
            Err(Refusal::Answer(answer)) => {
                let may = !is_udp || self.guard.answer(asker.address, &answer, now.at) == Fate::Sent;
                return if may { Step::Send(answer) } else { Step::Silence };
            }
        };
        let service = self.described(asker, now);
        let is_proven = !is_udp || query.cookie_state(&service) == CookieState::Proven;
        // A source that asks this much has to show that it is one. The answer is no longer
        // than the question, or marked as cut.
        if standing == Standing::Busy && !is_proven {
            return Step::Send(edge::demand_cookie(&query, &service));
        }
        let form = query.form();
        let question = Question { asker, query, is_proven };
        let what = match form {
            Form::Ready(plain) => return self.send(&question, &plain, Age::Fresh, now),
            Form::Whole => What::Whole(message.to_vec()),
            Form::Plain(plain) => match self.cache.as_ref().and_then(|cache| cache.find(&plain, now.at)) {
                Some(Found::Fresh(kept)) => {
                    *source = Source::Hit;
                    return self.send(&question, &kept.message, Age::Fresh, now);
                }
                Some(Found::Stale(kept)) => What::Plain(plain, Some(kept)),
                None => What::Plain(plain, None),
            },
        };
        Step::Ask(Box::new(Asked { question, what }))
    }

    /// Asks the resolver.
    pub async fn ask(&self, asked: Asked) -> Replied {
        let Asked { question, what } = asked;
        match what {
            What::Whole(message) => {
                let replied = self.whole(&question, message).await;
                if let Some(metrics) = &self.metrics {
                    let first = replied.messages.first().map(Vec::as_slice);
                    metrics.answered(question.asker.transport, first, Source::Miss);
                }
                replied
            }
            What::Plain(plain, stale) => {
                let mut source = Source::Miss;
                let step = self.plain(&question, plain, stale, &mut source).await;
                self.count(question.asker, &step, source);
                step.into()
            }
        }
    }

    /// The next part of a zone transfer.
    pub async fn resume(&self, more: Vec<u8>) -> Result<Replied, Failure> {
        let Answered { reply, .. } = self.resolver.resume(more).await?;
        Ok(Replied { messages: reply.messages, more: reply.more })
    }

    async fn plain(
        &self,
        question: &Question,
        plain: Vec<u8>,
        stale: Option<Arc<Kept>>,
        source: &mut Source,
    ) -> Step {
        let wait = if stale.is_some() { STALE_WAIT } else { ANSWER_WAIT };
        let answered = timeout(wait, self.resolve(question, &plain)).await.unwrap_or(Err(Failure::Late));
        let now = Moment::now();
        let (servfail, why) = match answered {
            Ok(Resolved::Kept(kept, from)) => {
                *source = from;
                return self.send(question, &kept.message, Age::Fresh, now);
            }
            Ok(Resolved::Made(answered)) => match answered.reply.messages.first() {
                None => return Step::Silence,
                Some(message) if !edge::is_failure(message) => {
                    self.outage.answered(now.at);
                    return self.send(question, message, Age::Fresh, now);
                }
                Some(message) => (Some(message.clone()), "it answers SERVFAIL".to_owned()),
            },
            // There are too many questions, which is no fault of the resolver's.
            Err(Failure::Busy) => return Step::Silence,
            Err(failure) => (None, failure.to_string()),
        };
        self.outage.failed(now.at, &why, stale.is_some());
        if let Some(kept) = stale {
            *source = Source::Stale;
            return self.send(question, &kept.message, Age::Stale, now);
        }
        let servfail = servfail.unwrap_or_else(|| not_ready(&question.query));
        self.send(question, &servfail, Age::Fresh, now)
    }

    /// Asks the resolver, or waits while somebody else asks it the same. Without a cache nothing is
    /// shared, because only that says what is as good as a new answer; see [`flights`]. The cache is exact
    /// (ARCHITECTURE.md, "DNS"): a commit is noted there before it is acknowledged, so one that was acknowledged
    /// before the look makes the look miss, and the question is asked by itself.
    async fn resolve(&self, question: &Question, plain: &[u8]) -> Result<Resolved, Failure> {
        let Some(cache) = &self.cache else {
            return self.call(question, plain).await.map(Resolved::Made);
        };
        let fresh = || match cache.find(plain, Instant::now()) {
            Some(Found::Fresh(kept)) => Some(kept),
            _ => None,
        };
        loop {
            let flight = match self.flights.board(plain) {
                Boarded::Leads(flight) => flight,
                Boarded::Joins(landing) => match flights::landing(landing).await {
                    Landed::Answered => match fresh() {
                        Some(kept) => return Ok(Resolved::Kept(kept, Source::Shared)),
                        None => return self.call(question, plain).await.map(Resolved::Made),
                    },
                    Landed::Failed => return Err(Failure::Shared),
                    // One of those who waited leads now.
                    Landed::Abandoned | Landed::UnderWay => continue,
                },
            };
            // Another flight may have landed since the cache was looked into.
            if let Some(kept) = fresh() {
                flight.land(Landed::Answered);
                return Ok(Resolved::Kept(kept, Source::Hit));
            }
            let answered = self.call(question, plain).await;
            flight.land(self.keep(plain, &answered));
            return answered.map(Resolved::Made);
        }
    }

    /// As over a stream, however it came: cutting the answer to the asker's size comes last.
    async fn call(&self, question: &Question, plain: &[u8]) -> Result<Answered, Failure> {
        let transport = resolver::Transport::Tcp;
        let start = self.metrics.as_ref().map(|metrics| (metrics, Instant::now()));
        let answered = if question.asker.transport == Transport::Udp {
            self.resolver.answer_or_drop(plain.to_vec(), transport).await
        } else {
            self.resolver.answer(plain.to_vec(), transport).await
        };
        if let Some((metrics, start)) = start {
            metrics.resolved(start.elapsed());
        }
        answered
    }

    async fn whole(&self, question: &Question, message: Vec<u8>) -> Replied {
        let asker = question.asker;
        let transport = match asker.transport {
            Transport::Udp => resolver::Transport::Udp,
            Transport::Tcp => resolver::Transport::Tcp,
            Transport::Tls => resolver::Transport::Tls,
            Transport::Https => resolver::Transport::Https,
        };
        let asking = self.resolver.answer(message, transport);
        let reply = match timeout(WHOLE_WAIT, asking).await.unwrap_or(Err(Failure::Late)) {
            Ok(answered) => answered.reply,
            Err(failure) => {
                let now = Moment::now();
                self.outage.failed(now.at, &failure.to_string(), false);
                // What has to be signed only the resolver can say.
                if question.query.is_signed() {
                    return Replied::default();
                }
                return self.send(question, &not_ready(&question.query), Age::Fresh, now).into();
            }
        };
        if asker.transport == Transport::Udp {
            // One datagram, whatever the component says.
            let mut messages = reply.messages;
            messages.truncate(1);
            let may = |message: &Vec<u8>| {
                question.is_proven || self.guard.answer(asker.address, message, Instant::now()) == Fate::Sent
            };
            messages.retain(may);
            return Replied { messages, more: None };
        }
        Replied { messages: reply.messages, more: reply.more }
    }

    /// Keeps an answer, if it is one. Says what is to be told those who wait for it.
    fn keep(&self, plain: &[u8], answered: &Result<Answered, Failure>) -> Landed {
        let answered = match answered {
            Ok(answered) => answered,
            Err(Failure::Busy) => return Landed::Abandoned,
            Err(_) => return Landed::Failed,
        };
        match (answered.reply.messages.first(), &self.cache) {
            (Some(message), _) if edge::is_failure(message) => Landed::Failed,
            (Some(message), Some(cache)) => {
                let made = Made {
                    message,
                    sources: &answered.reply.sources,
                    since: answered.since,
                    good_for: Duration::from_secs(answered.reply.kept_s.into()),
                };
                cache.keep(plain, &made, Instant::now());
                Landed::Answered
            }
            _ => Landed::Answered,
        }
    }

    /// The asker's answer, unless its network has had enough of them.
    fn send(&self, question: &Question, plain: &[u8], age: Age, now: Moment) -> Step {
        let Question { asker, query, is_proven } = question;
        let fate = if *is_proven { Fate::Sent } else { self.guard.answer(asker.address, plain, now.at) };
        let mut service = self.described(*asker, now);
        match fate {
            Fate::Dropped => Step::Silence,
            Fate::Sent => {
                service.is_stale = age == Age::Stale;
                Step::Send(edge::finish(query, plain, asker.transport, &service))
            }
            Fate::Cut => {
                let empty = edge::refuse(query, OptRcode::NOERROR, None);
                let mut message = edge::finish(query, &empty, asker.transport, &service);
                if let Some(flags) = message.get_mut(2) {
                    *flags |= TRUNCATED;
                }
                Step::Send(message)
            }
        }
    }

    fn described(&self, asker: Asker, now: Moment) -> edge::Service<'_> {
        edge::Service {
            nsid: &self.identity.nsid,
            cookie_secret: Some(&self.identity.cookie_secret),
            now_s: now.unix_s,
            client_address: Some(asker.address),
            keepalive: Some(IDLE),
            ..edge::Service::default()
        }
    }
}
