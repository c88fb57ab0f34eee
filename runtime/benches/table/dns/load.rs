//! Many worlds, registered over HTTP as their operators would: signed before the clock starts,
//! then sent on several connections.

use crate::measure::Figures;
use crate::port::Port;
use anyhow::{Context, Result, ensure};
use p256::ecdsa::SigningKey;
use serde_json::json;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vwp_core::environment::Random;
use vwp_core::jose::{self, Header, Jwk};
use vwp_discovery::record;

/// How many connections register at once.
const CONNECTIONS: usize = 4;
/// How long an answer over UDP is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// What registering came to.
pub(super) struct Registered {
    /// The worlds' names.
    pub(super) names: Vec<String>,
    /// How many a second, with the load's own work beside them.
    pub(super) per_second: Figures,
    /// The processor time of the port for one, in microseconds.
    pub(super) cpu_us: Figures,
    /// What one adds to the store on disk, in bytes.
    pub(super) stored_bytes: Figures,
}

struct Seed;

impl Random for Seed {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the system has randomness");
    }
}

/// Signs records of made-up worlds, and registers them.
pub(super) fn register(port: &Port, count: usize) -> Result<Registered> {
    let (key, issuer) = (jose::generate_key(&Seed), port.issuer()?);
    let names: Vec<String> = (0..count).map(|number| format!("bench-{number:06}")).collect();
    let signed: Vec<String> = names.iter().map(|name| sign(name, &issuer, &key)).collect::<Result<_>>()?;
    // The operator's first record alone, so that the others do not all bring the same news.
    let (first, rest) = signed.split_first().context("no worlds")?;
    post(&agent(), port, first)?;
    let (next, stored) = (AtomicUsize::new(0), port.stored_bytes()?);
    let (start, cpu) = (Instant::now(), port.cpu_seconds()?);
    std::thread::scope(|scope| {
        let worker = || -> Result<()> {
            let agent = agent();
            while let Some(record) = rest.get(next.fetch_add(1, Ordering::Relaxed)) {
                post(&agent, port, record)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer worlds than a double counts")]
    let done = rest.len() as f64;
    let once = |figure: f64| {
        let mut figures = Figures::default();
        figures.push(figure);
        figures
    };
    Ok(Registered {
        names,
        per_second: once(done / start.elapsed().as_secs_f64()),
        cpu_us: once((port.cpu_seconds()? - cpu) * 1e6 / done),
        stored_bytes: once((port.stored_bytes()? - stored) / done),
    })
}

/// The time from sending a registration to its first answer over UDP, in milliseconds, 99 of
/// 100 times at most. One after the other, as one operator would see it.
pub(super) fn visible_ms(port: &Port, count: usize) -> Result<Figures> {
    let (key, issuer, agent) = (jose::generate_key(&Seed), port.issuer()?, agent());
    let zone = port.zone()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(ANSWER_MAX))?;
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("visible-{number:05}");
        let record = sign(&name, &issuer, &key)?;
        let start = Instant::now();
        post(&agent, port, &record)?;
        let question = question(&format!("_vw.{name}.{zone}"))?;
        socket.send_to(&question, port.dns)?;
        let mut answer = [0; 4096];
        let length = socket.recv(&mut answer).context("no answer over UDP")?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        // RFC 1035, section 4.1.1: no error, and at least one record.
        ensure!(length > 7 && answer[3] % 16 == 0 && answer[7] > 0, "{name} is registered and not answered");
    }
    times.sort_by(f64::total_cmp);
    let mut figures = Figures::default();
    figures.push(times.get(times.len() * 99 / 100).copied().context("no times")?);
    Ok(figures)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn post(agent: &ureq::Agent, port: &Port, record: &str) -> Result<()> {
    let request = agent.post(format!("http://{}/v1/worlds", port.http));
    let mut answer = request.header("Content-Type", "application/jose").send(record)?;
    let body = answer.body_mut().read_to_string()?;
    ensure!(answer.status() == 201, "a registration was refused: {body}");
    Ok(())
}

fn sign(name: &str, issuer: &str, key: &SigningKey) -> Result<String> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let jwk = Jwk::from_key(key.verifying_key());
    let payload = serde_json::to_vec(&json!({
        "v": 1, "name": name, "uuid": record::uuid_of(&jwk.thumbprint(), &name.parse()?), "title": { "en": name }, "tags": ["bench"],
        "seq": 1, "iat": now_s, "exp": now_s + 86_400, "aud": issuer,
        "endpoints": [{ "transport": "minecraft", "host": format!("{name}.example"), "port": 25565 }],
    }))?;
    let header = Header::new(record::RECORD_TYPE).with_kid(jwk.thumbprint()).with_jwk(jwk);
    Ok(jose::sign(&header, &payload, key))
}

/// A question for SVCB records (RFC 1035, section 4.1; RFC 9460).
fn question(name: &str) -> Result<Vec<u8>> {
    let mut question = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len())?);
        question.extend(label.bytes());
    }
    question.extend([0, 0, 64, 0, 1]);
    Ok(question)
}
