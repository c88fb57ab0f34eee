//! Requests to wallets, and what their refusals mean.

use crate::objects::{Grant, Listed, Page, Wallet};
use crate::{Settings, signature};
use ed25519_dalek::SigningKey;
use form_urlencoded::byte_serialize;
use http::{Method, Request, StatusCode, Uri, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;
use vwp_core::Outbound;
use vwp_core::outbound::Limits;
use vwp_processor::Fault;

/// What one request may cost.
const LIMITS: Limits = Limits { body_bytes_max: 1_048_576, time_max: Duration::from_secs(5) };
/// The longest URL of something at a wallet, in bytes: it becomes a reference, and part of the id of an event.
pub(crate) const URL_LENGTH_MAX: usize = 230;
/// How many pages of a list are looked through for one thing.
const PAGES_MAX: usize = 10;
/// The longest cursor and the longest token, in bytes.
const WORD_LENGTH_MAX: usize = 2048;

/// Wallets, as far as they are reached.
pub(crate) struct Api<'a, N> {
    network: &'a N,
    pub(crate) settings: &'a Settings,
    key: SigningKey,
    /// In seconds since the Unix epoch.
    pub(crate) now: u64,
}

/// The errors of Open Payments.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    code: String,
}

impl<'a, N: Outbound> Api<'a, N> {
    pub(crate) fn new(network: &'a N, settings: &'a Settings, now: u64) -> Result<Self, Fault> {
        Ok(Self { network, settings, key: signature::read_key(&settings.key)?, now })
    }

    /// The port's own wallet.
    pub(crate) async fn own(&self) -> Result<Wallet, Fault> {
        self.wallet(&self.settings.wallet_address).await.map_err(|fault| can_be_mended("its address", fault))
    }

    /// What a wallet address says of itself. Nothing has to be signed for that.
    pub(crate) async fn wallet(&self, address: &str) -> Result<Wallet, Fault> {
        let found: Wallet = self.public(address).await?;
        for url in [&found.id, &found.auth_server, &found.resource_server] {
            place(url)?;
        }
        Ok(found)
    }

    /// Reads what anybody may read.
    pub(crate) async fn public<T: DeserializeOwned>(&self, url: &str) -> Result<T, Fault> {
        let request = request(Method::GET, url, None, Vec::new())?;
        self.send(request).await
    }

    /// Has a wallet grant what needs no consent of its owner.
    pub(crate) async fn token(&self, wallet: &Wallet, access: Value) -> Result<String, Fault> {
        let body = json!({
            "access_token": {"access": [access]},
            "client": {"walletAddress": self.settings.wallet_address},
        });
        let grant: Grant = self.post(&wallet.auth_server, None, Some(&body)).await?;
        let token = grant.access_token.ok_or_else(|| Fault::Refused("consent_required".to_owned()))?.value;
        if token.len() > WORD_LENGTH_MAX {
            return Err(Fault::Unknown("a token is too long".to_owned()));
        }
        Ok(token)
    }

    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str, token: &str) -> Result<T, Fault> {
        self.signed(request(Method::GET, url, Some(token), Vec::new())?).await
    }

    /// Does something.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        url: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<T, Fault> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.signed(request(Method::POST, url, token, body)?).await
    }

    /// A page of a list of a wallet.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        (wallet, kind): (&Wallet, &str),
        token: &str,
        cursor: Option<&str>,
        first: usize,
    ) -> Result<Page<T>, Fault> {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let mut url =
            format!("{}?wallet-address={}&first={first}", wallet.collection(kind), encoded(&wallet.id));
        if let Some(cursor) = cursor {
            if cursor.len() > WORD_LENGTH_MAX {
                return Err(Fault::Refused("malformed_cursor".to_owned()));
            }
            url = format!("{url}&cursor={}", encoded(cursor));
        }
        let page: Page<T> = self.get(&url, token).await?;
        if page.result.len() > first {
            return Err(Fault::Unknown("a page is longer than asked for".to_owned()));
        }
        Ok(page)
    }

    /// What of a wallet's list carries a value in its metadata: all that was made after a time, or else the first
    /// that is found. The specification names no order. A list that came newest first as far as it was read is taken
    /// to go on so; another one is read to its end.
    pub(crate) async fn marked<T: DeserializeOwned + Listed>(
        &self,
        list: (&Wallet, &str),
        token: &str,
        (member, value): (&str, &str),
        after: Option<i64>,
    ) -> Result<Vec<T>, Fault> {
        let (mut found, mut cursor) = (Vec::new(), None);
        let (mut oldest, mut is_newest_first) = (i64::MAX, true);
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.page(list, token, cursor.as_deref(), 100).await?;
            cursor = page.next();
            for listed in page.result {
                let at = listed.created_at()?;
                is_newest_first &= at <= oldest;
                oldest = at;
                if listed.says(member) == Some(value) {
                    found.push(listed);
                }
            }
            let is_enough = match after {
                Some(after) => is_newest_first && oldest < after,
                None => !found.is_empty(),
            };
            if cursor.is_none() || is_enough {
                return Ok(found);
            }
        }
        Err(Fault::Unknown("there are too many of it to find one again".to_owned()))
    }

    async fn signed<T: DeserializeOwned>(&self, mut request: Request<Vec<u8>>) -> Result<T, Fault> {
        signature::sign(&mut request, &self.key, &self.settings.key_id, self.now)?;
        self.send(request).await
    }

    async fn send<T: DeserializeOwned>(&self, request: Request<Vec<u8>>) -> Result<T, Fault> {
        let answer =
            self.network.send(request, LIMITS).await.map_err(|error| Fault::Unknown(error.to_string()))?;
        if matches!(answer.status(), StatusCode::OK | StatusCode::CREATED) {
            // Where it is wrong is not said, because it may be in a token.
            return serde_json::from_slice(answer.body())
                .map_err(|_| Fault::Unknown("the wallet's answer is not the expected one".to_owned()));
        }
        Err(fault(answer.status(), answer.body()))
    }
}

/// Reads the URL of something at a wallet: `https`, or `http` on this machine. Which hosts may be reached is the
/// runtime's to say.
pub(crate) fn place(url: &str) -> Result<Uri, Fault> {
    let malformed = || Fault::Refused("malformed_url".to_owned());
    let uri: Uri = url.parse().map_err(|_| malformed())?;
    let is_local = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_secure = match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => is_local(host),
        _ => false,
    };
    // A URI of the crate has lost its fragment, and what is signed would not be what is kept.
    let is_plain = !url.contains(['#', '@']) && url.len() <= URL_LENGTH_MAX;
    if is_secure && is_plain { Ok(uri) } else { Err(malformed()) }
}

fn request(method: Method, url: &str, token: Option<&str>, body: Vec<u8>) -> Result<Request<Vec<u8>>, Fault> {
    place(url.split_once('?').map_or(url, |(place, _)| place))?;
    let mut request = Request::builder().method(method).uri(url).header(header::ACCEPT, "application/json");
    if let Some(token) = token {
        // RFC 9635, section 7.2.
        request = request.header(header::AUTHORIZATION, format!("GNAP {token}"));
    }
    // The error may name what was tried, and so the token.
    request.body(body).map_err(|_| Fault::Unknown("a request to a wallet is malformed".to_owned()))
}

/// A refusal of the port's own wallet, of which nothing is final: it is the administrator's to mend.
pub(crate) fn can_be_mended(what: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Refused(why) => Fault::Unknown(format!("the port's own wallet refuses {what}: {why}")),
        other => other,
    }
}

/// Whether something was refused for good, as by a redirection, which is not followed. What is refused because of the
/// adapter's own key or token (401) can be mended by the administrator, and may be tried again.
fn fault(status: StatusCode, body: &[u8]) -> Fault {
    let is_final = status.is_redirection()
        || matches!(status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
    if !is_final {
        return Fault::Unknown(format!("the wallet answered {status}"));
    }
    let code = serde_json::from_slice(body).ok().map(|refusal: Refusal| refusal.error.code);
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let code = code.filter(|code| !code.is_empty() && code.len() <= 64 && code.chars().all(is_fit));
    Fault::Refused(
        code.map_or_else(|| format!("status_{}", status.as_u16()), |code| code.to_ascii_lowercase()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_are_reached_securely_and_at_plain_urls() {
        for url in ["https://wallet.example/ada", "https://wallet.example", "http://127.0.0.1:8080/ada"] {
            assert!(place(url).is_ok(), "{url}");
        }
        let long = format!("https://wallet.example/{}", "a".repeat(URL_LENGTH_MAX));
        for url in [
            "http://wallet.example/ada",
            "http://127.0.0.1.example/ada",
            "https://ada@wallet.example/",
            "https://wallet.example/ada#b",
            "$wallet.example/ada",
            "/ada",
            "",
            &long,
        ] {
            assert!(matches!(place(url), Err(Fault::Refused(_))), "{url}");
        }
    }

    #[test]
    fn only_what_cannot_be_mended_is_refused_for_good() {
        let body = br#"{"error": {"code": "Insufficient_Grant", "description": "secret"}}"#;
        assert_eq!(fault(StatusCode::FORBIDDEN, body), Fault::Refused("insufficient_grant".to_owned()));
        assert_eq!(fault(StatusCode::NOT_FOUND, b"<p>"), Fault::Refused("status_404".to_owned()));
        for status in [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
            assert!(matches!(fault(status, body), Fault::Unknown(_)), "{status}");
        }
    }
}
