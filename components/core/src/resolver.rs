//! A resolver that is asked over HTTP (RFC 8484), since a component sends no DNS messages.

use crate::environment::Settings;
use crate::outbound::{Limits, Outbound};
use crate::{Problem, addresses, jose};
use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa, Txt};
use http::{Request, StatusCode, Uri, header};
use std::net::IpAddr;
use std::time::Duration;

/// The media type of a DNS message (RFC 8484, section 6).
const MEDIA_TYPE: &str = "application/dns-message";
/// Where a resolver is asked if its URL names no path.
const DEFAULT_PATH: &str = "/dns-query";
/// What an answer may cost. A domain with more records than this proves nothing.
const LIMITS: Limits = Limits { body_bytes_max: 16 * 1024, time_max: Duration::from_secs(5) };

/// Why a question has no answer. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the resolver: {0}")]
pub struct NoAnswer(String);

/// The texts of a name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// One for each record, its strings joined.
    pub texts: Vec<Vec<u8>>,
    /// Whether the resolver says that it validated them (RFC 6840, section 5.8).
    pub is_authenticated: bool,
}

/// The variable with the URL of the resolver, as `https://dns.example`; without a path it is asked
/// at `/dns-query`.
pub const URL: &str = "dns_resolver_url";

/// The resolver's URL, if the settings name one.
pub fn url(settings: &Settings) -> Result<Option<Uri>, Problem> {
    let is_absolute =
        |url: &Uri| url.authority().is_some() && matches!(url.scheme_str(), Some("http" | "https"));
    let text = settings.options.get(URL).map(|text| text.trim()).filter(|text| !text.is_empty());
    match text.map(|text| text.parse().ok().filter(is_absolute)) {
        Some(None) => {
            // For whoever runs the port, in the log; a caller learns nothing of it.
            eprintln!("variable {URL} is not a URL");
            Err(Problem::internal())
        }
        url => Ok(url.flatten()),
    }
}

/// A resolver's URL, and the network that leads to it.
#[derive(Debug, Clone, Copy)]
pub struct Resolver<'a, O> {
    /// Where it is asked.
    pub url: &'a Uri,
    /// How it is reached.
    pub outbound: &'a O,
}

impl<O: Outbound> Resolver<'_, O> {
    /// The texts of a name; none if it does not exist.
    pub async fn texts(&self, name: &str) -> Result<Texts, NoAnswer> {
        let message = self.ask(name, Rtype::TXT).await?;
        let mut found = Texts { texts: Vec::new(), is_authenticated: message.header().ad() };
        for record in records::<Txt<_>>(&message)? {
            found.texts.push(record.text::<Vec<u8>>());
        }
        Ok(found)
    }

    /// The addresses of a name, of both versions.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NoAnswer> {
        let v4 = self.ask(name, Rtype::A).await?;
        let v6 = self.ask(name, Rtype::AAAA).await?;
        let v4 = records::<A>(&v4)?.into_iter().map(|record| IpAddr::V4(record.addr()));
        let v6 = records::<Aaaa>(&v6)?.into_iter().map(|record| IpAddr::V6(record.addr()));
        Ok(v4.chain(v6).collect())
    }

    /// Whether a name has addresses, and all of them are public. Whoever names a host to be asked
    /// may want what only this machine can reach.
    pub async fn is_public(&self, name: &str) -> Result<bool, NoAnswer> {
        let addresses = self.addresses(name).await?;
        Ok(!addresses.is_empty() && addresses.into_iter().all(addresses::is_public))
    }

    async fn ask(&self, name: &str, rtype: Rtype) -> Result<Message<Vec<u8>>, NoAnswer> {
        let query = query(name, rtype).ok_or_else(|| NoAnswer(format!("{name} cannot be asked for")))?;
        let path = Some(self.url.path()).filter(|path| *path != "/").unwrap_or(DEFAULT_PATH);
        let authority = self.url.authority().map_or("", http::uri::Authority::as_str);
        let scheme = self.url.scheme_str().unwrap_or_default();
        let request = Request::get(format!("{scheme}://{authority}{path}?dns={}", jose::encode(&query)))
            .header(header::ACCEPT, MEDIA_TYPE)
            .body(Vec::new())
            .map_err(|error| NoAnswer(error.to_string()))?;
        let answer =
            self.outbound.send(request, LIMITS).await.map_err(|error| NoAnswer(error.to_string()))?;
        let media_type = answer.headers().get(header::CONTENT_TYPE);
        let is_message =
            media_type.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()));
        if answer.status() != StatusCode::OK || !is_message {
            return Err(NoAnswer(format!("its answer is no DNS message, but a {}", answer.status())));
        }
        read(answer.into_body(), &query)
    }
}

/// A question with the id 0 (RFC 8484, section 4.1) that asks for the AD bit as well
/// (RFC 6840, section 5.7).
fn query(name: &str, rtype: Rtype) -> Option<Vec<u8>> {
    let name = Name::vec_from_str(name).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_rd(true);
    builder.header_mut().set_ad(true);
    let mut builder = builder.question();
    builder.push((name, rtype)).ok()?;
    Some(builder.finish())
}

fn read(bytes: Vec<u8>, query: &[u8]) -> Result<Message<Vec<u8>>, NoAnswer> {
    let malformed = || NoAnswer("its answer is not one to the question".to_owned());
    let message = Message::from_octets(bytes).map_err(|_| malformed())?;
    let asked = Message::from_slice(query).map_err(|_| malformed())?;
    let same = message.sole_question().ok() == asked.sole_question().ok();
    if !same || !message.header().qr() || message.header().tc() {
        return Err(malformed());
    }
    match message.header().rcode() {
        Rcode::NOERROR | Rcode::NXDOMAIN => Ok(message),
        rcode => Err(NoAnswer(format!("it answers {rcode}"))),
    }
}

/// The records of a type at the end of the answer's aliases.
fn records<'a, D>(message: &'a Message<Vec<u8>>) -> Result<Vec<D>, NoAnswer>
where
    D: domain::base::rdata::ParseRecordData<'a, Vec<u8>>,
{
    let malformed = || NoAnswer("its answer is malformed".to_owned());
    let Some(owner) = message.canonical_name() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for record in message.answer().map_err(|_| malformed())?.limit_to::<D>() {
        let record = record.map_err(|_| malformed())?;
        if *record.owner() == owner && record.class() == Class::IN {
            found.push(record.into_data());
        }
    }
    Ok(found)
}
