//! Signing in with a `did:web`, and whom the port asks for one.

use crate::support::{Answer, ISSUER, Port, key, sign};
use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};
use domain::rdata::{A, Aaaa};
use futures::executor::block_on;
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use vwp_auth::dids::identifier::Did;
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::outbound::{Limits, Outbound, OutboundError};
use vwp_core::resolver;

const DID: &str = "did:web:ada.example";
const URL: &str = "https://ada.example/.well-known/did.json";

/// A resolver and web servers, as far as a port can reach them.
#[derive(Default)]
struct Internet {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    files: BTreeMap<String, Response<Vec<u8>>>,
    /// The URLs that were asked for, without the resolver's.
    asked: RefCell<Vec<String>>,
}

impl Outbound for Internet {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        if request.uri().host() == Some("dns.example") {
            let query = request.uri().query().and_then(|query| query.strip_prefix("dns=")).unwrap();
            let answer = Response::builder().header(header::CONTENT_TYPE, "application/dns-message");
            return Ok(answer.body(self.resolve(&jose::decode(query).unwrap())).unwrap());
        }
        let url = request.uri().to_string();
        self.asked.borrow_mut().push(url.clone());
        let answer = self.files.get(&url).cloned().ok_or(OutboundError::Failed("no such host".into()))?;
        if answer.body().len() > limits.body_bytes_max {
            return Err(OutboundError::Exceeded("it is too long"));
        }
        Ok(answer)
    }
}

impl Internet {
    fn with(host: &str, address: &str, url: &str, document: &Value) -> Self {
        let file = Response::new(document.to_string().into_bytes());
        Self {
            addresses: BTreeMap::from([(host.to_owned(), vec![address.parse().unwrap()])]),
            files: BTreeMap::from([(url.to_owned(), file)]),
            asked: RefCell::default(),
        }
    }

    /// Ada's host.
    fn of_ada(document: &Value) -> Self {
        Self::with("ada.example", "1.1.1.1", URL, document)
    }

    fn resolve(&self, query: &[u8]) -> Vec<u8> {
        let query = Message::from_slice(query).unwrap();
        let question = query.sole_question().unwrap();
        let name = question.qname().to_string();
        let mut builder = MessageBuilder::new_vec().start_answer(query, Rcode::NOERROR).unwrap();
        let owner = Name::vec_from_str(&name).unwrap();
        for address in self.addresses.get(&name).into_iter().flatten() {
            let ttl = Ttl::from_secs(60);
            match (address, question.qtype()) {
                (IpAddr::V4(address), Rtype::A) => builder.push((&owner, ttl, A::new(*address))).unwrap(),
                (IpAddr::V6(address), Rtype::AAAA) => {
                    builder.push((&owner, ttl, Aaaa::new(*address))).unwrap();
                }
                _ => {}
            }
        }
        builder.finish()
    }
}

fn port() -> Port {
    let mut port = Port::new();
    port.settings.options.insert(resolver::URL, "https://dns.example".into());
    port
}

fn method(did: &str, name: &str, seed: u8) -> Value {
    let jwk = Jwk::from_key(key(seed).verifying_key());
    json!({ "id": format!("{did}#{name}"), "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": jwk })
}

fn document(did: &str, seed: u8) -> Value {
    let method = method(did, "key-1", seed);
    json!({ "id": did, "verificationMethod": [method], "authentication": [format!("{did}#key-1")] })
}

fn post(port: &Port, internet: &Internet, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    port.answer_online(internet, request.body(body.to_string().into_bytes()).unwrap())
}

fn proof(port: &Port, did: &str, kid: &str, seed: u8) -> Value {
    let nonce = port.post("/v1/dids/challenges", None, &json!({})).json["nonce"].clone();
    let claims = json!({ "iss": did, "aud": ISSUER, "nonce": nonce, "iat": port.now() / 1000 });
    json!({ "proof": sign(&Header::new("vwp-did+jwt").with_kid(kid), &claims, &key(seed)) })
}

/// Signs in with an identifier that nobody linked: whoever is believed is told so.
fn believed(port: &Port, internet: &Internet, did: &str, kid: &str) -> String {
    post(port, internet, "/v1/dids/sessions", None, &proof(port, did, kid, 3)).problem().to_owned()
}

#[test]
fn a_traveller_links_an_identifier_on_the_web_and_signs_in_with_the_key_that_it_has_then() {
    let port = port();
    let token = port.arrive("ada");
    let did = "did:web:ada.example%3A3000:people:ada";
    let url = "https://ada.example:3000/people/ada/did.json";
    let internet = Internet::with("ada.example", "1.1.1.1", url, &document(did, 3));
    let linked = post(&port, &internet, "/v1/dids", Some(&token), &proof(&port, did, did, 3));
    assert_eq!((linked.status, &linked.json["did"]), (StatusCode::CREATED, &did.into()), "{}", linked.text);
    let kid = format!("{did}#key-1");
    let session = post(&port, &internet, "/v1/dids/sessions", None, &proof(&port, did, &kid, 3));
    let me = port.get("/v1/travellers/me", Some(&token)).json;
    assert_eq!(session.json["traveller"], me["traveller"], "{}", session.text);
    // The key is another one now, and the old one signs nobody in.
    let rotated = Internet::with("ada.example", "1.1.1.1", url, &document(did, 4));
    let refused = post(&port, &rotated, "/v1/dids/sessions", None, &proof(&port, did, &kid, 3));
    assert_eq!(refused.problem(), "did-proof-refused");
    let session = post(&port, &rotated, "/v1/dids/sessions", None, &proof(&port, did, &kid, 4));
    assert_eq!(session.status, StatusCode::OK, "{}", session.text);
    // The escape of the port's colon is escaped in a path.
    let path = "/v1/dids/did:web:ada.example%253A3000:people:ada";
    assert_eq!(port.send("DELETE", path, Some(&token), "").status, StatusCode::NO_CONTENT);
}

#[test]
fn a_host_that_is_not_on_the_public_internet_is_never_asked() {
    let port = port();
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "0.0.0.0",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "fd00::1",
        "fe80::1",
    ] {
        let mut internet = Internet::with("ada.example", address, URL, &document(DID, 3));
        assert_eq!(believed(&port, &internet, DID, DID), "did-unresolved", "{address}");
        // Nor one that has such an address besides a public one, between which it could change.
        internet.addresses.get_mut("ada.example").unwrap().push("1.1.1.1".parse().unwrap());
        assert_eq!(believed(&port, &internet, DID, DID), "did-unresolved", "{address}");
        assert!(internet.asked.borrow().is_empty(), "{address} was asked");
    }
    let nowhere = Internet::default();
    assert_eq!(believed(&port, &nowhere, DID, DID), "did-unresolved");
    assert!(nowhere.asked.borrow().is_empty());
}

#[test]
fn redirects_errors_and_long_documents_are_none() {
    let port = port();
    let good = document(DID, 3);
    assert_eq!(believed(&port, &Internet::of_ada(&good), DID, DID), "did-unknown");
    let mut long = good.clone();
    long["padding"] = "a".repeat(64 * 1024).into();
    for (status, body) in [
        (StatusCode::FOUND, good.to_string()),
        (StatusCode::MOVED_PERMANENTLY, good.to_string()),
        (StatusCode::NOT_FOUND, good.to_string()),
        (StatusCode::OK, long.to_string()),
        (StatusCode::OK, String::new()),
        (StatusCode::OK, format!(r#"{{"id":"{DID}",{}"#, &good.to_string()[1..])),
    ] {
        let mut internet = Internet::of_ada(&good);
        let mut file = Response::builder().status(status);
        if status.is_redirection() {
            file = file.header(header::LOCATION, "https://169.254.169.254/did.json");
        }
        internet.files.insert(URL.into(), file.body(body.clone().into_bytes()).unwrap());
        assert_eq!(believed(&port, &internet, DID, DID), "did-unresolved", "{status} {body:.80}");
        assert_eq!(*internet.asked.borrow(), [URL], "a redirect is not followed");
    }
}

#[test]
fn a_document_proves_its_own_identifier_with_its_own_keys_for_authentication() {
    let port = port();
    let with = |member: &str, value: Value| {
        let mut document = document(DID, 3);
        document[member] = value;
        document
    };
    let first = method(DID, "key-1", 3);
    let but = |member: &str, value: Value| {
        let mut method = first.clone();
        method[member] = value;
        with("authentication", json!([method]))
    };
    let multibase = Did::of_key(key(3).verifying_key()).as_str().trim_start_matches("did:key:").to_owned();
    let multikey =
        json!({ "id": "#key-1", "type": "Multikey", "controller": DID, "publicKeyMultibase": multibase });
    let private = json!({ "kty": "EC", "crv": "P-256", "x": first["publicKeyJwk"]["x"],
        "y": first["publicKeyJwk"]["y"], "d": "AA" });
    for (what, document, expected) in [
        ("a method that is in place", with("authentication", json!([first])), "did-unknown"),
        ("a short name", with("authentication", json!(["#key-1"])), "did-unknown"),
        ("a key in multibase", with("authentication", json!([multikey])), "did-unknown"),
        ("another identifier", with("id", "did:web:eve.example".into()), "did-unresolved"),
        ("no identifier", with("id", Value::Null), "did-unresolved"),
        ("a key for something else", with("authentication", json!([])), "did-unresolved"),
        ("another's key", but("controller", "did:web:eve.example".into()), "did-unresolved"),
        ("a private key", but("publicKeyJwk", private), "did-unresolved"),
        ("another type", but("type", "Ed25519VerificationKey2020".into()), "did-unresolved"),
        ("a name of another document", but("id", "did:web:eve.example#key-1".into()), "did-unresolved"),
    ] {
        let kid = format!("{DID}#key-1");
        assert_eq!(believed(&port, &Internet::of_ada(&document), DID, &kid), expected, "{what}");
    }
    // With several keys the proof says which.
    let several = with("authentication", json!([first, method(DID, "key-2", 4)]));
    let internet = Internet::of_ada(&several);
    assert_eq!(believed(&port, &internet, DID, DID), "did-unresolved");
    assert_eq!(believed(&port, &internet, DID, &format!("{DID}#key-1")), "did-unknown");
    assert_eq!(believed(&port, &internet, DID, &format!("{DID}#key-2")), "did-proof-refused");
    assert_eq!(believed(&port, &internet, DID, &format!("{DID}#key-3")), "did-unresolved");
}

#[test]
fn a_challenge_makes_the_port_ask_once_and_only_for_a_proof_that_says_what_it_should() {
    let port = port();
    let internet = Internet::of_ada(&document(DID, 4));
    let shown = proof(&port, DID, DID, 3);
    let show = |body: &Value| post(&port, &internet, "/v1/dids/sessions", None, body).problem().to_owned();
    assert_eq!(show(&shown), "did-proof-refused");
    assert_eq!(show(&shown), "challenge-ended");
    assert_eq!(internet.asked.borrow().len(), 1);
    let claims =
        json!({ "iss": DID, "aud": ISSUER, "nonce": jose::encode([1; 32]), "iat": port.now() / 1000 });
    let own = sign(&Header::new("vwp-did+jwt").with_kid(DID), &claims, &key(4));
    assert_eq!(show(&json!({ "proof": own })), "challenge-ended");
    assert_eq!(internet.asked.borrow().len(), 1, "a challenge of the client's own asks nobody");
}

#[test]
fn one_network_can_have_the_port_ask_only_so_often() {
    let port = port();
    let internet = Internet::of_ada(&document(DID, 3));
    let mut answers = Vec::new();
    for _ in 0..31 {
        let request = Request::post("/v1/dids/sessions")
            .header(header::CONTENT_TYPE, "application/json")
            .header("spin-client-addr", "192.0.2.1:49152")
            .body(proof(&port, DID, DID, 3).to_string().into_bytes());
        answers.push(port.answer_online(&internet, request.unwrap()));
    }
    let throttled = answers.pop().unwrap();
    assert_eq!(throttled.problem(), "throttled", "{}", throttled.text);
    assert!(answers.iter().all(|answer| answer.problem() == "did-unknown"));
}

#[test]
fn a_port_without_a_resolver_takes_no_did_web() {
    let port = Port::new();
    let internet = Internet::of_ada(&document(DID, 3));
    assert_eq!(believed(&port, &internet, DID, DID), "did-web-unavailable");
    assert!(internet.asked.borrow().is_empty());
    // An unlinked one can be taken away all the same: nobody is asked for that.
    let token = port.arrive("ada");
    let gone = port.send("DELETE", &format!("/v1/dids/{DID}"), Some(&token), "");
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(block_on(vwp_auth::dids::link::list(&port.store, "nobody")).unwrap().is_empty());
}
