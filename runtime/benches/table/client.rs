//! Whoever calls the port over HTTP.

use crate::port::Port;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use vwp_client::key::Key;
use vwp_client::sign::Statement;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1_048_576;

/// A client on one connection.
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
    pub(crate) issuer: String,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) cookie: Option<String>,
    /// The nonce for the next proof of possession (RFC 9449, section 8).
    pub(crate) dpop_nonce: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    /// A member of a JSON document that says so with this status.
    pub(crate) fn member(&self, status: u16, name: &str) -> Result<Value> {
        ensure!(self.status == status, "answered with {}: {}", self.status, self.text);
        let document: Value = serde_json::from_str(&self.text)?;
        Ok(document.get(name).with_context(|| format!("no {name} in {}", self.text))?.clone())
    }

    /// The same where it is a text.
    pub(crate) fn member_text(&self, status: u16, name: &str) -> Result<String> {
        Ok(self.member(status, name)?.as_str().with_context(|| format!("{name} is no text"))?.to_owned())
    }
}

impl Client {
    pub(crate) fn new(port: &Port) -> Result<Self> {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Ok(Self { agent, url: format!("http://{}", port.http), issuer: port.issuer()? })
    }

    /// Registers a world of a new operator's.
    pub(crate) fn register(&self, world: &str, key: &Key) -> Result<()> {
        let record = json!({
            "v": 1, "name": world, "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "seq": 1,
            "title": {"en": world},
            "endpoints": [{"transport": "https", "host": format!("{world}.example"), "port": 443}],
        });
        let record = Statement::new("vwp-world+jws", &self.issuer, record);
        let record = Statement { introduce: true, valid: Some(Duration::from_hours(1)), ..record };
        self.send("/v1/worlds", "application/jose", &[], &record.sign(key))?.member(201, "name")?;
        Ok(())
    }

    /// Sends a body of a type, with some headers.
    pub(crate) fn send(
        &self,
        path: &str,
        kind: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        answer(self.sent(path, kind, headers, body.as_bytes())?)
    }

    /// Sends bytes of a type, with some headers; the bytes of a good answer.
    pub(crate) fn send_bytes(
        &self,
        path: &str,
        kind: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>> {
        let mut response = self.sent(path, kind, headers, body)?;
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        ensure!(
            response.status() == 200,
            "answered with {}: {}",
            response.status(),
            String::from_utf8_lossy(&bytes)
        );
        Ok(bytes)
    }

    fn sent(
        &self,
        path: &str,
        kind: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<http::Response<ureq::Body>> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.send(body)?)
    }

    /// Sends a form.
    pub(crate) fn form(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        pairs: &[(&str, &str)],
    ) -> Result<Answer> {
        self.send(path, "application/x-www-form-urlencoded", headers, &form(pairs))
    }

    /// Sends JSON, in somebody's name if there is a token.
    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.send(path, "application/json", &headers, &body.to_string())
    }

    /// Fetches a page, with a cookie.
    pub(crate) fn page(&self, path: &str, cookie: &str) -> Result<Answer> {
        answer(self.agent.get(format!("{}{path}", self.url)).header("cookie", cookie).call()?)
    }

    /// Fetches a document.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let answer = answer(self.agent.get(format!("{}{path}", self.url)).call()?)?;
        ensure!(answer.status == 200, "{path} was answered with {}: {}", answer.status, answer.text);
        Ok(answer.text)
    }

    pub(crate) fn sign_in(&self, handle: &str, password: &str) -> Result<(u16, String)> {
        let answer = self.post("/v1/sessions", None, &json!({ "handle": handle, "password": password }))?;
        Ok((answer.status, answer.text))
    }

    /// Signs up and in; the access token.
    pub(crate) fn arrive(&self, handle: &str, password: &str) -> Result<String> {
        let body = json!({ "handle": handle, "password": password });
        self.post("/v1/travellers", None, &body)?.member(201, "traveller")?;
        self.post("/v1/sessions", None, &body)?.member_text(200, "access_token")
    }
}

/// Pairs as a form or a query has them.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn answer(mut response: http::Response<ureq::Body>) -> Result<Answer> {
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let location = header("location").unwrap_or_default();
    let cookie = header("set-cookie").and_then(|set| Some(set.split(';').next()?.to_owned()));
    let dpop_nonce = header("dpop-nonce");
    let status = response.status().as_u16();
    Ok(Answer { status, location, cookie, dpop_nonce, text: response.body_mut().read_to_string()? })
}
