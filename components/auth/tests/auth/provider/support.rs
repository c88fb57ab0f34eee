//! A port with a world, its clients, and browsers that keep cookies.

use crate::support::{ADMIN, Answer, ISSUER, PASSWORD, Port, key, sign};
use futures::executor::block_on;
use http::{Request, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use vwp_core::directory::{self, Operator, World};
use vwp_core::jose::{self, Header, Jwk, Unverified};
use vwp_storage::Kv;
use vwp_storage::kv::Write;

/// Where the client gets its codes.
pub(crate) const CALLBACK: &str = "https://arena.example/callback";
/// A PKCE verifier.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The type of the assertions of clients.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The grant type of devices.
pub(crate) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The cookie of browsers.
pub(crate) const COOKIE: &str = "__Host-vwp-session";

/// A port with a world, `arena`, of the operator with the first key, and the traveller `ada`.
pub(crate) struct Site {
    pub(crate) port: Port,
    pub(crate) ada: String,
    proofs: Cell<u64>,
}

/// A registered client.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// Its key, if it has one.
    pub(crate) key: Option<SigningKey>,
}

/// The operator of the arena.
pub(crate) fn operator() -> SigningKey {
    key(1)
}

/// What an operator asks for.
pub(crate) fn registration() -> Value {
    json!({
        "world": "arena", "client_name": "Arena web", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [Jwk::from_key(key(2).verifying_key())]},
        "grant_types": ["authorization_code", "refresh_token"],
        "dpop_bound_access_tokens": false,
    })
}

/// Members of one object over those of another.
pub(crate) fn with(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish()
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::on(Port::new())
    }

    pub(crate) fn on(port: Port) -> Self {
        run_world(&port, "arena", &operator());
        let ada = port.sign_up("ada").json["traveller"].as_str().unwrap().to_owned();
        Self { port, ada, proofs: Cell::new(0) }
    }

    /// Sends a registration that an operator signed.
    pub(crate) fn send_registration(&self, body: &Value, operator: &SigningKey) -> Answer {
        let claims = with(json!({"iat": self.port.now() / 1000, "aud": ISSUER}), body);
        let kid = Jwk::from_key(operator.verifying_key()).thumbprint();
        let signed = sign(&Header::new("vwp-client+jws").with_kid(kid), &claims, operator);
        let request = Request::post("/v1/clients").header(header::CONTENT_TYPE, "application/jose");
        self.port.answer(request.body(signed.into_bytes()).unwrap())
    }

    /// Registers a client; `more` goes over the usual members.
    pub(crate) fn client(&self, more: &Value) -> Client {
        let body = with(registration(), more);
        let answer = self.send_registration(&body, &operator());
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        let has_key = body["token_endpoint_auth_method"] == "private_key_jwt";
        Client { id: answer.json["client_id"].as_str().unwrap().to_owned(), key: has_key.then(|| key(2)) }
    }

    /// Registers a client without a key.
    pub(crate) fn public_client(&self, more: &Value) -> Client {
        let public = json!({"token_endpoint_auth_method": "none", "jwks": {"keys": []}});
        self.client(&with(public, more))
    }

    /// An assertion of a client, each with another id.
    pub(crate) fn assertion(&self, client: &Client, more: &Value) -> String {
        let now = self.port.now() / 1000;
        let claims = json!({"iss": client.id, "sub": client.id, "aud": ISSUER, "iat": now, "exp": now + 60,
            "jti": self.next("assertion")});
        sign(&Header::new("JWT"), &with(claims, more), client.key.as_ref().unwrap())
    }

    pub(crate) fn next(&self, what: &str) -> String {
        self.proofs.set(self.proofs.get() + 1);
        format!("{what}-{}", self.proofs.get())
    }

    /// The request of a client to an endpoint.
    pub(crate) fn call(
        &self,
        client: &Client,
        path: &str,
        pairs: &[(&str, &str)],
        dpop: &[String],
    ) -> Request<Vec<u8>> {
        let mut pairs = pairs.to_vec();
        let assertion = client.key.as_ref().map(|_| self.assertion(client, &json!({})));
        if let Some(assertion) = &assertion {
            pairs.extend([("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())]);
        } else {
            pairs.push(("client_id", client.id.as_str()));
        }
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for proof in dpop {
            request = request.header("dpop", proof);
        }
        request.body(form(&pairs).into_bytes()).unwrap()
    }

    pub(crate) fn ask(&self, client: &Client, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.port.answer(self.call(client, path, pairs, &[]))
    }

    pub(crate) fn ask_bound(
        &self,
        client: &Client,
        path: &str,
        pairs: &[(&str, &str)],
        proof: String,
    ) -> Answer {
        self.port.answer(self.call(client, path, pairs, &[proof]))
    }

    /// Redeems a code.
    pub(crate) fn redeem(&self, client: &Client, code: &str) -> Answer {
        self.ask(client, "/oauth/token", &redemption(code))
    }

    pub(crate) fn refresh(&self, client: &Client, token: &str) -> Answer {
        self.ask(client, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// The nonce that the port gives out now.
    pub(crate) fn nonce(&self) -> String {
        let nobody = Client { id: "nobody".into(), key: None };
        let answer = self.ask(&nobody, "/oauth/token", &[]);
        answer.headers["dpop-nonce"].to_str().unwrap().to_owned()
    }

    /// A DPoP proof for an endpoint; `more` goes over its claims.
    pub(crate) fn proof(&self, key: &SigningKey, path: &str, more: &Value) -> String {
        let claims = json!({"jti": self.next("proof"), "htm": "POST", "htu": format!("{ISSUER}{path}"),
            "iat": self.port.now() / 1000, "nonce": self.nonce()});
        let header = Header::new("dpop+jwt").with_jwk(Jwk::from_key(key.verifying_key()));
        sign(&header, &with(claims, more), key)
    }

    /// What UserInfo says to a token.
    pub(crate) fn userinfo(&self, scheme: &str, token: &str, proof: Option<String>) -> Answer {
        let mut request =
            Request::get("/oauth/userinfo").header(header::AUTHORIZATION, format!("{scheme} {token}"));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        self.port.answer(request.body(Vec::new()).unwrap())
    }

    /// Whether an access token is good.
    pub(crate) fn is_good(&self, token: &str) -> bool {
        self.userinfo("Bearer", token, None).status == StatusCode::OK
    }

    /// The tokens that a client gets for a traveller who signs in and agrees.
    pub(crate) fn tokens(&self, client: &Client, scope: &str) -> Value {
        let code = Browser::new(self).code(client, &[("scope", scope)]);
        let answer = self.redeem(client, &code);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json
    }
}

/// The parameters that redeem a code.
pub(crate) fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// Makes a world of an operator, as discovery would.
pub(crate) fn run_world(port: &Port, name: &str, operator: &SigningKey) {
    let jwk = Jwk::from_key(operator.verifying_key());
    let id = jwk.thumbprint();
    let world = World { operator: id.clone(), assets_of: None };
    let writes = [
        Write::put(directory::operator_key(&id), serde_json::to_vec(&Operator { keys: vec![jwk] }).unwrap()),
        Write::put(directory::world_key(&name.parse().unwrap()), serde_json::to_vec(&world).unwrap()),
    ];
    block_on(port.store.commit(&[], &writes)).unwrap();
}

/// The query of an authorization request; `more` goes over the usual parameters, and an empty value
/// leaves one out.
pub(crate) fn query(client: &Client, more: &[(&str, &str)]) -> String {
    let challenge = jose::encode(Sha256::digest(VERIFIER));
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client.id.as_str()),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "st&te"),
        ("nonce", "n-1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    pairs.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    pairs.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    form(&pairs)
}

/// A browser: it keeps the cookie that it is given.
pub(crate) struct Browser<'a> {
    site: &'a Site,
    pub(crate) cookie: RefCell<Option<String>>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(site: &'a Site) -> Self {
        Self { site, cookie: RefCell::new(None) }
    }

    fn send(&self, request: http::request::Builder, body: String) -> Answer {
        let cookie = self.cookie.borrow().clone();
        let request = match &cookie {
            Some(value) => request.header(header::COOKIE, format!("theme=dark; {COOKIE}={value}")),
            None => request,
        };
        let answer = self.site.port.answer(request.body(body.into_bytes()).unwrap());
        if let Some(set) = answer.headers.get(header::SET_COOKIE) {
            let (name, rest) = set.to_str().unwrap().split_once('=').unwrap();
            assert_eq!(name, COOKIE);
            *self.cookie.borrow_mut() = rest.split(';').next().map(str::to_owned);
        }
        answer
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target), String::new())
    }

    pub(crate) fn post(&self, target: &str, pairs: &[(&str, &str)]) -> Answer {
        let request = Request::post(target)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request, form(pairs))
    }

    /// Sends a request as it is, without this browser's own headers.
    pub(crate) fn send_raw(&self, request: http::request::Builder, body: String) -> Answer {
        self.site.port.answer(request.body(body.into_bytes()).unwrap())
    }

    /// Fills in the form of a page and sends it.
    pub(crate) fn submit(&self, page: &Answer, pairs: &[(&str, &str)]) -> Answer {
        let csrf = csrf(page);
        let mut pairs = pairs.to_vec();
        pairs.push(("csrf", &csrf));
        self.post(&action(page), &pairs)
    }

    /// Signs ada in at a page, and goes where it leads.
    pub(crate) fn sign_in(&self, page: &Answer) -> Answer {
        let answer = self.submit(page, &[("handle", "ada"), ("password", PASSWORD)]);
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        self.get(&location(&answer))
    }

    /// Walks through an authorization request and agrees to everything; gives out where that leads.
    pub(crate) fn agree(&self, query: &str) -> String {
        let mut page = self.get(&format!("/oauth/authorize?{query}"));
        if page.text.contains("name=\"password\"") {
            page = self.sign_in(&page);
        }
        if page.status == StatusCode::OK {
            page = self.submit(&page, &[("decision", "allow")]);
        }
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        location(&page)
    }

    /// The code that a client gets for an authorization request.
    pub(crate) fn code(&self, client: &Client, more: &[(&str, &str)]) -> String {
        let place = self.agree(&query(client, more));
        answered(&place, "code").unwrap_or_else(|| panic!("no code in {place}"))
    }
}

pub(crate) fn location(answer: &Answer) -> String {
    answer.headers[header::LOCATION].to_str().unwrap().to_owned()
}

/// A parameter of the answer that a redirect carries.
pub(crate) fn answered(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
}

/// The first value of an attribute after a mark.
fn after(page: &Answer, mark: &str) -> String {
    let rest = page.text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {}", page.text)).1;
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

pub(crate) fn csrf(page: &Answer) -> String {
    after(page, "name=\"csrf\" value=\"")
}

pub(crate) fn action(page: &Answer) -> String {
    after(page, "action=\"")
}

/// The claims of a token that the port signed.
pub(crate) fn claims(site: &Site, token: &str, typ: &str) -> Value {
    let jwk = site.port.get("/.well-known/jwks.json", None).json["keys"][0].clone();
    let jwk: Jwk = serde_json::from_value(jwk).unwrap();
    let payload = Unverified::parse(token, typ).unwrap().verify(&jwk.to_key().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// Requires a refusal of OAuth.
#[track_caller]
pub(crate) fn assert_error(answer: &Answer, error: &str) {
    assert_eq!(answer.json["error"], error, "{} {}", answer.status, answer.text);
    assert!(answer.status.is_client_error(), "{}", answer.status);
}

/// Sends a request as the administrator.
pub(crate) fn as_administrator(site: &Site, method: &str, path: &str, body: &Value) -> Answer {
    site.port.send(method, path, Some(ADMIN), &body.to_string())
}
