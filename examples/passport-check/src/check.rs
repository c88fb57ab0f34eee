//! Whether a request is let through, and what the handler is told of who sent it.
//!
//! A request carries `Authorization: Passport PRESENTATION`, an SD-JWT with its key-binding JWT,
//! whose characters are those of a `token68` (RFC 9110, section 11.2), and `Passport-Nonce` with
//! the nonce that it was made for. Whoever has no nonce asks without, and is given one with the
//! refusal.

use crate::nonce::{self, SECRET_BYTES};
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};
use vwp_core::{Problem, jose};

/// The scheme of `Authorization` and `WWW-Authenticate`.
const SCHEME: &str = "Passport";
/// The nonce that a presentation was made for.
pub const NONCE: HeaderName = HeaderName::from_static("passport-nonce");
/// What the port calls the traveller at this world: for the handler.
pub const SUBJECT: HeaderName = HeaderName::from_static("passport-subject");
/// What names the presentation, the same for every form of its signature: for a handler that
/// takes each once.
pub const PRESENTATION: HeaderName = HeaderName::from_static("passport-presentation");
/// What the port signed and the traveller disclosed: for the handler, a JSON object in base64url,
/// because a handle may have characters that a header may not.
pub const CLAIMS: HeaderName = HeaderName::from_static("passport-claims");
/// How all of these begin.
const PREFIX: &str = "passport-";
/// The claims that a verifier needs and a handler does not.
const FOR_VERIFIERS: [&str; 2] = ["cnf", "status"];
/// The longest presentation that the verifier reads, in bytes.
const PRESENTATION_LENGTH_MAX: usize = 32_768;

/// What somebody who runs a world sets.
pub struct Settings {
    /// Whose passports are believed: the port's URL.
    pub issuer: String,
    /// The world's name: whom presentations are for.
    pub world: String,
    /// The port's public keys, its JWK Set.
    pub keys: String,
    /// What nonces are made with.
    nonce_secret: [u8; SECRET_BYTES],
}

impl Settings {
    /// Reads the settings by name; the error says which one is missing or malformed.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str| {
            get(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("`{name}` is not set"))
        };
        let secret = jose::decode(&text("passport_nonce_secret")?).ok();
        let secret = secret.and_then(|secret| secret.try_into().ok());
        Ok(Self {
            issuer: text("passport_issuer")?,
            world: text("passport_world")?,
            keys: text("passport_keys")?,
            nonce_secret: secret.ok_or("`passport_nonce_secret` is not 32 bytes in base64url")?,
        })
    }
}

/// A passport that the verifier believed.
#[derive(Debug, Clone)]
pub struct Believed {
    /// What the port calls the traveller at this world, if the passport is a copy for it.
    pub subject: Option<String>,
    /// What names the presentation.
    pub presentation: String,
    /// All claims, signed and disclosed, as a JSON object.
    pub claims: String,
}

/// Why the verifier did not believe a passport.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The reason: stable, lower case, hyphens.
    pub reason: String,
    /// What is wrong, for a person.
    pub detail: String,
}

/// Decides on a request by its headers: gives out the refusal, if it is refused, and otherwise makes
/// them those that the handler gets. `verify` takes a presentation and the nonce that it has to be
/// made for.
pub fn refuse(
    headers: &mut HeaderMap,
    settings: &Settings,
    now: u64,
    verify: impl FnOnce(&str, &str) -> Result<Believed, Refused>,
) -> Option<Response<Vec<u8>>> {
    let believed = believe(headers, settings, now, verify);
    // The handler believes these headers, so that nobody else may set them; and it gets no
    // presentation that it could show elsewhere in the traveller's name.
    let reserved: Vec<HeaderName> = headers.keys().filter(|name| is_reserved(name)).cloned().collect();
    for name in reserved {
        headers.remove(&name);
    }
    match believed {
        Ok(told) => {
            headers.extend(told);
            None
        }
        Err(refused) => Some(refusal(refused, &nonce::make(&settings.nonce_secret, now))),
    }
}

/// Whether a header is for this middleware or of it. Who reads headers as CGI has them (RFC 3875,
/// section 4.1.18) cannot tell `_` from `-`, so neither may be forged.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    name == AUTHORIZATION.as_str() || name.starts_with(PREFIX)
}

/// What the handler is told.
fn believe(
    headers: &HeaderMap,
    settings: &Settings,
    now: u64,
    verify: impl FnOnce(&str, &str) -> Result<Believed, Refused>,
) -> Result<[(HeaderName, HeaderValue); 3], Refused> {
    let Some(given) = only(headers, &AUTHORIZATION)? else {
        return Err(refused("passport-missing", "present a passport with the nonce of this answer"));
    };
    let (scheme, presentation) = given.split_once(' ').unwrap_or((given, ""));
    // A scheme's case means nothing (RFC 9110, section 11.1).
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(refused("passport-missing", "the only scheme here is `Passport`"));
    }
    let presentation = presentation.trim_start_matches(' ');
    if presentation.len() > PRESENTATION_LENGTH_MAX {
        return Err(refused("presentation-too-long", "a presentation has at most 32,768 bytes"));
    }
    let nonce = only(headers, &NONCE)?.unwrap_or_default();
    if !nonce::is_fresh(&settings.nonce_secret, nonce, now) {
        return Err(refused("nonce-stale", "make the presentation for the nonce of this answer"));
    }
    let believed = verify(presentation, nonce)?;
    let Some(subject) = believed.subject else {
        return Err(refused("passport-not-pairwise", "present a copy that was issued for this world"));
    };
    let malformed = || refused("passport-claims", "the claims are not those of a passport");
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| malformed());
    let mut claims: Map<String, Value> = serde_json::from_str(&believed.claims).map_err(|_| malformed())?;
    claims.retain(|name, _| !FOR_VERIFIERS.contains(&name.as_str()));
    let claims = jose::encode(Value::Object(claims).to_string());
    Ok([
        (SUBJECT, value(&subject)?),
        (PRESENTATION, value(&believed.presentation)?),
        (CLAIMS, value(&claims)?),
    ])
}

/// The only value of a header. Of two, the handler or a proxy might mean the other one.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(refused("header-duplicate", &format!("`{name}` is given twice")));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| refused("header-malformed", &format!("`{name}` is not visible ASCII")))
}

fn refused(reason: &str, detail: &str) -> Refused {
    Refused { reason: reason.to_owned(), detail: detail.to_owned() }
}

/// 401 with a nonce to try again with (RFC 9110, section 15.5.2).
fn refusal(refused: Refused, nonce: &str) -> Response<Vec<u8>> {
    let title = "The request needs a passport";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "passport-refused", title, refused.detail);
    let problem = problem.with("reason", refused.reason).with("nonce", nonce);
    let mut answer = problem.into_response();
    let challenge = format!("{SCHEME} nonce=\"{nonce}\"");
    // Base64url and a word: every character may stand in a header.
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn settings() -> Settings {
        let values = [
            ("passport_issuer", "https://port.example".to_owned()),
            ("passport_world", "arena".to_owned()),
            ("passport_keys", r#"{"keys":[]}"#.to_owned()),
            ("passport_nonce_secret", jose::encode([7; 32])),
        ];
        let find =
            |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        Settings::read(find).expect("complete settings")
    }

    fn believed() -> Believed {
        Believed {
            subject: Some("subject-1".to_owned()),
            presentation: "shown-1".to_owned(),
            claims: r#"{"cnf":{"jwk":{}},"handle":"Zoë","status":{},"sub":"subject-1"}"#.to_owned(),
        }
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        headers
    }

    /// The reason and the nonce of a refusal.
    fn refusal_of(answer: Option<Response<Vec<u8>>>) -> (String, String) {
        let answer = answer.expect("a refusal");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().expect("text").to_owned();
        let document = String::from_utf8(answer.into_body()).expect("text");
        let member = |name: &str| {
            let (_, rest) = document.split_once(&format!("\"{name}\":\"")).expect("the member");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        assert_eq!(challenge, format!("Passport nonce=\"{}\"", member("nonce")));
        (member("reason"), member("nonce"))
    }

    #[test]
    fn the_nonce_of_a_refusal_opens_the_door_and_the_handler_is_told_who_comes() {
        let settings = settings();
        let refused = refuse(&mut HeaderMap::new(), &settings, NOW, |_, _| unreachable!());
        let (reason, nonce) = refusal_of(refused);
        assert_eq!(reason, "passport-missing");
        let mut given = headers(&[
            (AUTHORIZATION, "passport a~b~c"),
            (NONCE, &nonce),
            (SUBJECT, "somebody-else"),
            (SUBJECT, "and-another"),
            (PRESENTATION, "forged"),
            (CLAIMS, "forged"),
            (HeaderName::from_static("passport_subject"), "forged"),
            (HeaderName::from_static("passport-anything"), "forged"),
            (http::header::ACCEPT, "text/plain"),
        ]);
        let verify = |presentation: &str, expected: &str| {
            assert_eq!((presentation, expected), ("a~b~c", nonce.as_str()));
            Ok(believed())
        };
        assert!(refuse(&mut given, &settings, NOW + 1000, verify).is_none(), "it is let through");
        let claims = jose::encode(r#"{"handle":"Zoë","sub":"subject-1"}"#);
        let expected = [
            (http::header::ACCEPT, "text/plain"),
            (SUBJECT, "subject-1"),
            (PRESENTATION, "shown-1"),
            (CLAIMS, &claims),
        ];
        assert_eq!(given, headers(&expected));
    }

    #[test]
    fn nothing_is_verified_for_a_nonce_that_is_old_foreign_or_missing() {
        let settings = settings();
        let old = nonce::make(&[7; 32], NOW - nonce::LIFETIME_S * 1000);
        let foreign = nonce::make(&[8; 32], NOW);
        for nonce in [None, Some(&*old), Some(&*foreign)] {
            let given: Vec<_> = [Some((AUTHORIZATION, "Passport a~b")), nonce.map(|nonce| (NONCE, nonce))]
                .into_iter()
                .flatten()
                .collect();
            let refused = refuse(&mut headers(&given), &settings, NOW, |_, _| unreachable!());
            assert_eq!(refusal_of(refused).0, "nonce-stale");
        }
    }

    #[test]
    fn who_is_refused_is_told_the_verifiers_reason() {
        let settings = settings();
        let nonce = nonce::make(&[7; 32], NOW);
        let given = [(AUTHORIZATION, "Passport a~b"), (NONCE, &*nonce)];
        let verify = |_: &str, _: &str| Err(refused("passport-expired", "the passport has expired"));
        let answer = refuse(&mut headers(&given), &settings, NOW, verify);
        assert_eq!(refusal_of(answer).0, "passport-expired");
        let nameless = |_: &str, _: &str| Ok(Believed { subject: None, ..believed() });
        let answer = refuse(&mut headers(&given), &settings, NOW, nameless);
        assert_eq!(refusal_of(answer).0, "passport-not-pairwise");
        let claimless = |_: &str, _: &str| Ok(Believed { claims: "[]".to_owned(), ..believed() });
        let answer = refuse(&mut headers(&given), &settings, NOW, claimless);
        assert_eq!(refusal_of(answer).0, "passport-claims");
    }

    #[test]
    fn two_passports_or_another_scheme_are_none() {
        let settings = settings();
        let nonce = nonce::make(&[7; 32], NOW);
        let cases = [
            (vec!["Passport a~b", "Passport c~d"], "header-duplicate"),
            (vec!["Bearer a"], "passport-missing"),
            (vec![""], "passport-missing"),
        ];
        for (values, expected) in cases {
            let mut given = headers(&[(NONCE, &nonce)]);
            for value in values {
                given.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            let answer = refuse(&mut given, &settings, NOW, |_, _| unreachable!());
            assert_eq!(refusal_of(answer).0, expected);
        }
    }

    #[test]
    fn a_setting_that_is_missing_or_malformed_is_named() {
        let error = |secret: Option<&str>| {
            let read = Settings::read(|name| match name {
                "passport_nonce_secret" => secret.map(str::to_owned),
                _ => Some("set".to_owned()),
            });
            read.err().expect("an error")
        };
        assert_eq!(error(None), "`passport_nonce_secret` is not set");
        assert!(error(Some("short")).starts_with("`passport_nonce_secret` is not 32 bytes"));
        let read = Settings::read(|name| (name == "passport_nonce_secret").then(|| jose::encode([7; 32])));
        assert_eq!(read.err().as_deref(), Some("`passport_issuer` is not set"));
    }
}
