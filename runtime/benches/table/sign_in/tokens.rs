//! A world with two games and a server, and a traveller who lets the games in: tokens to refresh and
//! to ask about. The tokens of one game are bound to a key of its own (RFC 9449), as they are unless
//! an operator says otherwise; those of the other one are not.

use super::{HANDLE, PASSWORD};
use crate::client::{Client, form};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_client::input::now_s;
use vwp_client::key::Key;
use vwp_client::sign::Statement;
use vwp_core::jose::{self, Header};

const WORLD: &str = "bench-arena";
const CALLBACK: &str = "https://arena.example/callback";
/// A PKCE verifier (RFC 7636, section 4.1).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The type of clients' assertions (RFC 7523, section 2.2).
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where tokens are asked for.
const TOKEN: &str = "/oauth/token";

/// What the games have, and who the server is.
pub(super) struct Tokens {
    pub(super) plain: Game,
    pub(super) bound: Game,
    server: String,
    /// The key of the operator and of the server.
    key: Key,
    assertions: u64,
}

/// A game that the traveller has let in.
pub(super) struct Game {
    id: String,
    access: String,
    refresh: String,
    holder: Option<Holder>,
}

/// Who proves to have a key.
struct Holder {
    key: Key,
    nonce: String,
    proofs: u64,
}

impl Tokens {
    /// Registers the world and its clients, and has the traveller agree.
    pub(super) fn granted(client: &Client) -> Result<Self> {
        let key = Key::generate()?;
        client.register(WORLD, &key)?;
        let register = |more: Value| {
            let mut metadata = json!({
                "world": WORLD, "client_name": "Bench", "redirect_uris": [CALLBACK],
                "token_endpoint_auth_method": "none", "dpop_bound_access_tokens": false,
                "grant_types": ["authorization_code", "refresh_token"],
            });
            for (name, value) in more.as_object().into_iter().flatten() {
                metadata[name] = value.clone();
            }
            let signed = Statement::new("vwp-client+jws", &client.issuer, metadata).sign(&key);
            client.send("/v1/clients", "application/jose", &[], &signed)?.member_text(201, "client_id")
        };
        let (plain, bound) = (register(json!({}))?, register(json!({ "dpop_bound_access_tokens": true }))?);
        let jwk = key.jwk().with_kid(key.id());
        let server =
            register(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [jwk]} }))?;
        let plain = Game::let_in(client, &plain, None)?;
        let bound = Game::let_in(client, &bound, Some(Holder::new(client)?))?;
        Ok(Self { plain, bound, server, key, assertions: 0 })
    }

    /// The server asks what a game's token is worth.
    pub(super) fn introspect(&mut self, client: &Client) -> Result<()> {
        self.assertions += 1;
        let now = now_s();
        let claims = json!({ "iss": self.server, "sub": self.server, "aud": client.issuer,
            "iat": now, "exp": now + 60, "jti": format!("bench-{}", self.assertions) });
        let header = Header::new("JWT").with_kid(self.key.id());
        let assertion = self.key.sign(&header, claims.to_string().as_bytes());
        let pairs = [
            ("token", self.plain.access.as_str()),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion.as_str()),
        ];
        let active = client.form("/oauth/introspect", &[], &pairs)?.member(200, "active")?;
        ensure!(active == true, "the token is not active");
        Ok(())
    }
}

impl Game {
    /// The traveller agrees, and the game gets its first tokens.
    fn let_in(client: &Client, id: &str, holder: Option<Holder>) -> Result<Self> {
        let code = code(client, id)?;
        let mut game = Self { id: id.to_owned(), access: String::new(), refresh: String::new(), holder };
        game.ask(
            client,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", id),
                ("code", &code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ],
        )?;
        Ok(game)
    }

    /// The game gets its next tokens.
    pub(super) fn refresh(&mut self, client: &Client) -> Result<()> {
        let (id, refresh) = (self.id.clone(), self.refresh.clone());
        let pairs = [("grant_type", "refresh_token"), ("client_id", &id), ("refresh_token", &refresh)];
        self.ask(client, &pairs)
    }

    fn ask(&mut self, client: &Client, pairs: &[(&str, &str)]) -> Result<()> {
        let proof = self.holder.as_mut().map(|holder| holder.proof(client));
        let headers: Vec<(&str, &str)> = proof.iter().map(|proof| ("dpop", proof.as_str())).collect();
        let answer = client.form(TOKEN, &headers, pairs)?;
        self.access = answer.member_text(200, "access_token")?;
        self.refresh = answer.member_text(200, "refresh_token")?;
        if let (Some(holder), Some(nonce)) = (&mut self.holder, answer.dpop_nonce) {
            holder.nonce = nonce;
        }
        Ok(())
    }
}

impl Holder {
    /// A new key, with the nonce that the port gives out now, with refusals too.
    fn new(client: &Client) -> Result<Self> {
        let refused = client.form(TOKEN, &[], &[("client_id", "nobody")])?;
        let nonce = refused.dpop_nonce.context("no nonce for proofs")?;
        Ok(Self { key: Key::generate()?, nonce, proofs: 0 })
    }

    /// A proof for the next request (RFC 9449, section 4.2).
    fn proof(&mut self, client: &Client) -> String {
        self.proofs += 1;
        let claims = json!({ "jti": format!("bench-{}", self.proofs), "htm": "POST",
            "htu": format!("{}{TOKEN}", client.issuer), "iat": now_s(), "nonce": self.nonce });
        let header = Header::new("dpop+jwt").with_jwk(self.key.jwk());
        self.key.sign(&header, claims.to_string().as_bytes())
    }
}

/// The code for a client, after the traveller has signed in and agreed.
fn code(client: &Client, id: &str) -> Result<String> {
    let challenge = jose::encode(Sha256::digest(VERIFIER));
    let query = form(&[
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", CALLBACK),
        ("scope", "openid offline_access"),
        ("state", "bench"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let mut cookie = String::new();
    let mut page = client.page(&format!("/oauth/authorize?{query}"), &cookie)?;
    let answers: [&[(&str, &str)]; 2] =
        [&[("handle", HANDLE), ("password", PASSWORD)], &[("decision", "allow")]];
    for answer in answers {
        cookie = page.cookie.take().unwrap_or(cookie);
        let (action, csrf) = (after(&page.text, "action=\"")?, after(&page.text, "name=\"csrf\" value=\"")?);
        let pairs = [answer, &[("csrf", csrf.as_str())]].concat();
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let sent = client.form(&action, &headers, &pairs)?;
        ensure!(sent.status == 303, "a page was answered with {}: {}", sent.status, sent.text);
        cookie = sent.cookie.unwrap_or(cookie);
        if let Some((_, query)) = sent.location.split_once("/callback?") {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let code = pairs.find(|(name, _)| name == "code").context("no code")?;
            return Ok(code.1.into_owned());
        }
        page = client.page(&sent.location, &cookie)?;
    }
    anyhow::bail!("the traveller agreed to everything, and there is no code")
}

/// The text from a mark on to the next quotation mark.
fn after(text: &str, mark: &str) -> Result<String> {
    let (_, rest) = text.split_once(mark).with_context(|| format!("no {mark} in {text}"))?;
    Ok(rest.split('"').next().unwrap_or_default().replace("&amp;", "&"))
}
