//! A provider that the tests control, and browsers that are sent to it and back.

use crate::support::{Answer, ISSUER, Port, key};
use http::{Request, Response, StatusCode, header};
use rsa::signature::{SignatureEncoding, Signer};
use rsa::{BoxedUint, RsaPrivateKey, pkcs1v15};
use serde_json::{Value, json};
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use url::Url;
use vwp_auth::upstream::providers::{PROVIDERS, SECRETS};
use vwp_core::jose::{self, Jwk};
use vwp_core::outbound::{Limits, Outbound, OutboundError};

/// The provider's issuer.
pub(super) const OP: &str = "https://op.example";
/// What it calls this port.
pub(super) const CLIENT: &str = "port";
/// The secret that it gave the port, with what a form escapes.
pub(super) const SECRET: &str = "a secret:+";

/// An RSA key of these tests, of 2048 bits; its exponent is 65537.
const RSA: [(&str, &[&str]); 4] = [
    (
        "n",
        &[
            "mDuXUVFm3FK07yysvoZxSpMp_mnwcmDzyGzsGHm9rVhGSaEc-XkybgV9PWVbnZ6GAYYBPZEIs6bXS1XVcjD9Gl3zbd",
            "NgHjATEioU43gDdP9uad2v8DnZ-EqrCr5j0XGP_N53ZKIiYNfvMAPOfTSGnaGhKmVncqsP8w91MN215Pc8EMXgEkW5",
            "AjTWc97I7N83YXGbSXuZsmsYxPLlv-ptMqjXssji01I81DKFaVnGJVdFdvlDhzUpaPSeFj2TpEulCjKxjdS9mzeDPa",
            "QrMJXo4HRiXTgEVbe4TtchCwcXoh16NXhG2M0TmdfyBqOmrHLTu-YTMDEB0sI4dr8F-jdmMQ",
        ],
    ),
    (
        "d",
        &[
            "sNvf2y7MZwCvXtnILJEvjYmWKry-sXjHFaggTU8ieKvVp4pGNI9ZcfjD8lA5389hCuQPDOKH-YTGcKoyZY1Z1Qgm3Q",
            "Z1j0d1izot38HOQl7UfVR60ocOH31KuXCiXEb9wV8JK8uG-nvj-88bANsaidz9da6EQJ6m06YMayPT7pctCvbJ8YLm",
            "VsFeIkGPWTxfcTuG5UEV_xPifxygyxUXRfrbOaDkIW8frOk--kLEImDWQgLXaHFor9r-fZvr_xpRXA9RyVQS8rt-HR",
            "xgaDWfcxNx6Qw6HOlkN5PYe4LyC-Vj5w99x9o0qhaST8m2TVt4m-5lAEVpFeLICL2yxKcB",
        ],
    ),
    (
        "p",
        &[
            "x8YJRrhznZjbzPgC_pDeii-tdOts1ZWfUFWYnyIC-FCvm3JpZuex7jT5SmQuOiJANstwJIDWIY05oM3cbWJbaL2xSI",
            "WavZAX590js2tlVbvNXe9-gC6F-h9Dcp5l9AReOy-ktDY1D-GiDiyZ62DTJt94c_kO1WwM7eiuWEHsAME",
        ],
    ),
    (
        "q",
        &[
            "wxQska8QJN18lISTGxuNAK1Do2yFIm9uIr_V1DgnroiJ31Rl-6lbFcpNdDZMZ3LvM2vmSHtnJnJG2R7U2f2hox5Yg6",
            "HiwS-oFgWtBQ9_mBldAyY3pAF9MqJenqoCQArpQxHGnAZcD5yzWxRUvUxIAKtOarJK63dz6t2qMXpOUXE",
        ],
    ),
];

fn number(name: &str) -> BoxedUint {
    let (_, lines) = RSA.iter().find(|(member, _)| *member == name).unwrap();
    BoxedUint::from_be_slice_vartime(&jose::decode(&lines.concat()).unwrap())
}

/// The public part of that key.
pub(super) fn rsa_jwk(kid: &str) -> Value {
    json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": RSA[0].1.concat(), "e": "AQAB" })
}

/// The public key with a seed.
pub(super) fn ec_jwk(seed: u8, kid: &str) -> Value {
    serde_json::to_value(Jwk::from_key(key(seed).verifying_key()).with_kid(kid)).unwrap()
}

fn input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", jose::encode(header.to_string()), jose::encode(claims.to_string()))
}

/// A JWS with whatever header, signed with the key with a seed.
pub(super) fn es256(header: &Value, claims: &Value, seed: u8) -> String {
    use p256::ecdsa::signature::Signer;
    let input = input(header, claims);
    let signature: p256::ecdsa::Signature = key(seed).sign(input.as_bytes());
    format!("{input}.{}", jose::encode(signature.to_bytes()))
}

/// The same with the RSA key.
pub(super) fn rs256(header: &Value, claims: &Value) -> String {
    let primes = vec![number("p"), number("q")];
    let private =
        RsaPrivateKey::from_components(number("n"), BoxedUint::from(65_537_u64), number("d"), primes)
            .unwrap();
    let input = input(header, claims);
    let signature = pkcs1v15::SigningKey::<Sha256>::new(private).sign(input.as_bytes());
    format!("{input}.{}", jose::encode(signature.to_bytes()))
}

/// A JWS with any third part.
pub(super) fn unsigned(header: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}", input(header, claims), jose::encode(signature))
}

/// How a provider makes its ID Tokens, of the claims that a sign-in asks for.
pub(super) type Issue = Box<dyn Fn(Value) -> String>;

/// The provider.
pub(super) struct Provider {
    pub(super) metadata: RefCell<Value>,
    pub(super) keys: RefCell<Value>,
    /// Makes the next ID Token.
    pub(super) issue: RefCell<Issue>,
    /// What the next one says.
    pub(super) claims: RefCell<Value>,
    /// Which URLs were asked for.
    pub(super) asked: RefCell<Vec<String>>,
    /// What the last code was exchanged with.
    pub(super) form: RefCell<BTreeMap<String, String>>,
    /// How the port proved who it is then.
    pub(super) authorization: RefCell<Option<String>>,
    /// What every request is answered with, in place of what it asked for.
    pub(super) status: Cell<StatusCode>,
}

impl Provider {
    pub(super) fn new() -> Self {
        let metadata = json!({
            "issuer": OP, "authorization_endpoint": format!("{OP}/authorize?tenant=1"),
            "token_endpoint": format!("{OP}/token"), "jwks_uri": format!("{OP}/keys"),
            "authorization_response_iss_parameter_supported": true,
            "code_challenge_methods_supported": ["S256"],
        });
        Self {
            metadata: RefCell::new(metadata),
            keys: RefCell::new(json!({ "keys": [ec_jwk(9, "one")] })),
            issue: RefCell::new(Box::new(|claims| {
                es256(&json!({ "alg": "ES256", "kid": "one" }), &claims, 9)
            })),
            claims: RefCell::default(),
            asked: RefCell::default(),
            form: RefCell::default(),
            authorization: RefCell::default(),
            status: Cell::new(StatusCode::OK),
        }
    }

    /// How often a path was asked for.
    pub(super) fn asked_for(&self, path: &str) -> usize {
        self.asked.borrow().iter().filter(|url| **url == format!("{OP}{path}")).count()
    }

    fn answer(&self, request: &Request<Vec<u8>>) -> Value {
        match request.uri().path() {
            "/.well-known/openid-configuration" => self.metadata.borrow().clone(),
            "/keys" => self.keys.borrow().clone(),
            "/token" => {
                *self.form.borrow_mut() = form_urlencoded::parse(request.body()).into_owned().collect();
                let authorization = request.headers().get(header::AUTHORIZATION);
                *self.authorization.borrow_mut() =
                    authorization.map(|value| value.to_str().unwrap().to_owned());
                let id_token = self.issue.borrow()(self.claims.borrow().clone());
                json!({ "access_token": "an access token", "token_type": "Bearer", "id_token": id_token })
            }
            path => panic!("{path} was asked for"),
        }
    }
}

impl Outbound for Provider {
    async fn send(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, OutboundError> {
        self.asked.borrow_mut().push(request.uri().to_string());
        let answer = self.answer(&request).to_string().into_bytes();
        Ok(Response::builder().status(self.status.get()).body(answer).unwrap())
    }
}

/// A port that the provider is configured at, with more in its entry.
pub(super) fn port(more: &Value) -> Port {
    let mut port = Port::new();
    let mut entry = json!({ "name": "op", "title": "The OP", "issuer": OP, "client_id": CLIENT });
    for (name, value) in more.as_object().into_iter().flatten() {
        entry[name] = value.clone();
    }
    port.settings.options.insert(PROVIDERS, json!([entry]).to_string());
    port.settings.options.insert(SECRETS, json!({ "op": SECRET }).to_string());
    port
}

/// A browser, which keeps the cookies of the port.
pub(super) struct Browser<'a> {
    pub(super) port: &'a Port,
    provider: &'a Provider,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(port: &'a Port, provider: &'a Provider) -> Self {
        Self { port, provider, cookies: RefCell::default() }
    }

    /// A request with the browser's cookies.
    pub(super) fn request(&self, path: &str, token: Option<&str>, body: &Value) -> Request<Vec<u8>> {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, cookies.join("; "));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(body.to_string().into_bytes()).unwrap()
    }

    pub(super) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let answer = self.port.answer_online(self.provider, self.request(path, token, body));
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            self.cookies.borrow_mut().insert(name.to_owned(), value);
        }
        answer
    }

    /// Begins a sign-in; gives out what the provider is asked in its URL.
    pub(super) fn begin(&self) -> BTreeMap<String, String> {
        let begun = self.post("/v1/upstream/authorizations", None, &json!({ "provider": "op" }));
        assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text);
        let url = Url::parse(begun.json["authorization_url"].as_str().unwrap()).unwrap();
        assert_eq!((url.host_str(), url.path()), (Some("op.example"), "/authorize"));
        url.query_pairs().into_owned().collect()
    }

    /// The person signs in at the provider: what the browser comes back with. The next ID Token is for
    /// this sign-in.
    pub(super) fn consent(&self, asked: &BTreeMap<String, String>, subject: &str) -> Value {
        let now = self.port.now() / 1000;
        *self.provider.claims.borrow_mut() = json!({
            "iss": OP, "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
        });
        json!({ "provider": "op", "state": asked["state"], "code": "a code", "iss": OP })
    }

    pub(super) fn end(&self, returned: &Value) -> Answer {
        self.post("/v1/upstream/sessions", None, returned)
    }

    /// All of a sign-in.
    pub(super) fn sign_in(&self, subject: &str) -> Answer {
        let returned = self.consent(&self.begin(), subject);
        self.end(&returned)
    }

    /// Proves an account that is nobody's, and gives out the name of its registration.
    pub(super) fn prove(&self, subject: &str) -> String {
        let unknown = self.sign_in(subject);
        assert_eq!(unknown.status, StatusCode::ACCEPTED, "{}", unknown.text);
        unknown.json["registration"].as_str().unwrap().to_owned()
    }

    /// Signs a traveller up with an account, and gives out the access token.
    pub(super) fn arrive(&self, subject: &str, handle: &str) -> String {
        let body = json!({ "registration": self.prove(subject), "handle": handle });
        let session = self.post("/v1/upstream/travellers", None, &body);
        assert_eq!(session.status, StatusCode::OK, "{}", session.text);
        session.json["access_token"].as_str().unwrap().to_owned()
    }
}

/// What the port says of a sign-in in which the provider is changed.
pub(super) fn refused(port: &Port, provider: &Provider, change: impl FnOnce(&Provider)) -> (String, String) {
    let browser = Browser::new(port, provider);
    let returned = browser.consent(&browser.begin(), "ada");
    change(provider);
    let answer = browser.end(&returned);
    let detail = answer.json["detail"].as_str().unwrap_or_default().to_owned();
    (answer.problem().to_owned(), detail)
}

/// Where a provider sends browsers back to.
pub(super) fn redirect_uri() -> String {
    format!("{ISSUER}/signin/upstream/op")
}
