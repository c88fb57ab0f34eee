//! Signed messages: what is accepted, and how the rest is answered.

use crate::support::{Port, START_S, key_name, name};
use domain::base::iana::{Rcode, TsigRcode};
use domain::base::message_builder::AdditionalBuilder;
use domain::base::name::ParsedName;
use domain::base::{Message, MessageBuilder, Rtype};
use domain::rdata::tsig::{Time48, Tsig};
use domain::tsig::{Algorithm, ClientTransaction, Key, ValidationError};
use vwp_dns::trailer;
use vwp_dns::tsig::{self, Signature};

const SECRET: &[u8] = b"a secret that two servers share, of enough bytes for all";

fn question() -> AdditionalBuilder<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec().question();
    builder.push((name("vwp.test"), Rtype::SOA)).expect("room");
    builder.additional()
}

fn at(seconds: u64) -> Time48 {
    Time48::from_u64(seconds)
}

/// Our key of the same secret.
fn ours(name: &str, algorithm: &str, secret: &[u8]) -> tsig::Key {
    tsig::Key::new(name, algorithm.parse().expect("an algorithm"), secret.to_vec()).expect("a key")
}

fn verify(bytes: &[u8], key: Option<tsig::Key>, now_s: u64) -> Result<tsig::Verified, Vec<u8>> {
    let trailer = trailer::find(bytes).expect("well formed").expect("signed");
    Signature::read(trailer).expect("a signature").verify(key, now_s).map_err(|refusal| refusal.0)
}

/// The code of a refusal, the error in its signature, and whether it is signed.
fn refusal(bytes: &[u8]) -> (Rcode, TsigRcode, bool) {
    let message = Message::from_octets(bytes.to_vec()).expect("a message");
    let record = message.get_last_additional::<Tsig<&[u8], ParsedName<&[u8]>>>().expect("a signature");
    (message.header().rcode(), record.data().error(), !record.data().mac().is_empty())
}

#[test]
fn another_implementation_and_this_one_understand_each_other() {
    for (algorithm, text) in [
        (Algorithm::Sha256, "hmac-sha256"),
        (Algorithm::Sha384, "hmac-sha384"),
        (Algorithm::Sha512, "hmac-sha512"),
    ] {
        let theirs = Key::new(algorithm, SECRET, key_name("Peer.Example"), None, None).expect("a key");
        let mut builder = question();
        let plain = builder.as_slice().to_vec();
        let transaction = ClientTransaction::request(theirs, &mut builder, at(START_S)).expect("room");
        let bytes = builder.finish();
        let mut verified =
            verify(&bytes, Some(ours("peer.example", text, SECRET)), START_S + 299).expect("verified");
        assert_eq!(verified.request, plain);
        let mut answer = tsig::error(&verified.request, Rcode::NOERROR);
        let unsigned = answer.len();
        verified.signer.sign(&mut answer, START_S + 1);
        assert_eq!(answer.len() - unsigned, tsig::length_max(verified.signer.key()));
        let mut answer = Message::from_octets(answer).expect("a message");
        transaction.answer(&mut answer, at(START_S + 2)).expect("verified");
    }
}

#[test]
fn whoever_does_not_know_the_key_is_told_so_without_a_signature() {
    let theirs = Key::new(Algorithm::Sha256, SECRET, key_name("peer"), None, None).expect("a key");
    let mut builder = question();
    let transaction = ClientTransaction::request(theirs, &mut builder, at(START_S)).expect("room");
    let bytes = builder.finish();
    for (key, code) in [
        (None, TsigRcode::BADKEY),
        (Some(ours("other", "hmac-sha256", SECRET)), TsigRcode::BADKEY),
        // A key has one algorithm.
        (Some(ours("peer", "hmac-sha512", SECRET)), TsigRcode::BADKEY),
        (Some(ours("peer", "hmac-sha256", b"another secret, of enough bytes")), TsigRcode::BADSIG),
    ] {
        let answer = verify(&bytes, key, START_S).expect_err("refused");
        assert_eq!(refusal(&answer), (Rcode::NOTAUTH, code, false));
        let told = transaction.answer(&mut Message::from_octets(answer).expect("a message"), at(START_S));
        match code {
            TsigRcode::BADKEY => assert!(matches!(told, Err(ValidationError::ServerBadKey)), "{told:?}"),
            _ => assert!(matches!(told, Err(ValidationError::ServerBadSig)), "{told:?}"),
        }
    }
}

#[test]
fn whose_clock_is_wrong_learns_the_time() {
    let theirs = Key::new(Algorithm::Sha256, SECRET, key_name("peer"), None, None).expect("a key");
    for now in [START_S + 301, START_S - 301] {
        let mut builder = question();
        ClientTransaction::request(theirs.clone(), &mut builder, at(START_S)).expect("room");
        let (request, key) = (builder.finish(), ours("peer", "hmac-sha256", SECRET));
        let bytes = verify(&request, Some(key.clone()), now).expect_err("refused");
        assert_eq!(refusal(&bytes), (Rcode::NOTAUTH, TsigRcode::BADTIME, true));
        let answer = Message::from_octets(bytes.clone()).expect("a message");
        let record =
            answer.get_last_additional::<Tsig<&[u8], ParsedName<&[u8]>>>().expect("a signature").into_data();
        assert_eq!((record.time_signed(), record.other_time()), (at(START_S), Some(at(now))));
        // What is signed, put together by hand (RFC 8945, sections 4.3 and 5.2.3): `domain` 0.12
        // takes eight bytes for the time of the server, where there are six.
        let mac = Message::from_slice(&request).expect("a message");
        let mac = mac.get_last_additional::<Tsig<&[u8], ParsedName<&[u8]>>>().expect("a signature");
        let variables: &[&[u8]] = &[
            b"\0\x20",
            mac.data().mac(),
            &bytes[..10],
            b"\0\0",
            b"\x04peer\0\0\xff\0\0\0\0\x0bhmac-sha256\0",
            &START_S.to_be_bytes()[2..],
            b"\x01\x2c\0\x12\0\x06",
            &now.to_be_bytes()[2..],
        ];
        assert!(key.verify(&variables.concat(), record.mac()));
    }
}

#[test]
fn a_part_of_a_signature_is_not_enough() {
    // RFC 8945, section 5.2.4: permitted by the protocol, but not here.
    let theirs = Key::new(Algorithm::Sha256, SECRET, key_name("peer"), None, Some(16)).expect("a key");
    let mut builder = question();
    ClientTransaction::request(theirs, &mut builder, at(START_S)).expect("room");
    let answer = verify(&builder.finish(), Some(ours("peer", "hmac-sha256", SECRET)), START_S);
    let code = refusal(&answer.expect_err("refused"));
    assert_eq!(code, (Rcode::NOTAUTH, TsigRcode::BADTRUNC, true));
}

#[test]
fn a_message_that_was_touched_is_not_accepted() {
    let theirs = Key::new(Algorithm::Sha256, SECRET, key_name("peer"), None, None).expect("a key");
    let mut builder = question();
    let start = builder.as_slice().len();
    ClientTransaction::request(theirs, &mut builder, at(START_S)).expect("room");
    let bytes = builder.finish();
    for place in 0..bytes.len() * 8 {
        let mut touched = bytes.clone();
        touched[place / 8] ^= 1 << (place % 8);
        // The id may be another one on the way: the signature has the one it had before. The
        // two names in the signature may be written in another case.
        let is_name =
            [start..start + 6, start + 16..start + 29].iter().any(|name| name.contains(&(place / 8)));
        let is_harmless = place < 16 || is_name && touched.eq_ignore_ascii_case(&bytes);
        let Ok(Some(trailer)) = trailer::find(&touched) else {
            continue;
        };
        let Some(signature) = Signature::read(trailer) else {
            continue;
        };
        let verified = signature.verify(Some(ours("peer", "hmac-sha256", SECRET)), START_S);
        assert_eq!(verified.is_ok(), is_harmless, "bit {place}");
    }
}

#[test]
fn a_signature_is_at_the_end_or_nowhere() {
    let theirs = Key::new(Algorithm::Sha256, SECRET, key_name("peer"), None, None).expect("a key");
    let mut builder = question();
    ClientTransaction::request(theirs, &mut builder, at(START_S)).expect("room");
    builder.opt(|_| Ok(())).expect("room");
    assert!(trailer::find(&builder.finish()).is_err());
    assert_eq!(trailer::find(&question().finish()).expect("well formed"), None);
    assert!(trailer::find(b"short").is_err());
}

#[test]
fn a_secret_is_shown_once_and_kept_sealed() {
    let port = Port::new(true);
    port.make_key("b.example", Algorithm::Sha384, false, &["Arena.vwp.test."]);
    futures::executor::block_on(async {
        let keys = tsig::keys::list(&port.store).await.expect("keys");
        let known: Vec<_> = keys.iter().map(|key| (&key.name[..], &key.algorithm[..])).collect();
        assert_eq!(known, [("b.example", "hmac-sha384"), ("peer", "hmac-sha256")]);
        assert!(keys[0].may_update(&name("x.arena.vwp.test")) && keys[0].may_update(&name("arena.vwp.test")));
        assert!(!keys[0].may_update(&name("vwp.test")) && !keys[0].may_update(&name("xarena.vwp.test")));
        let mut again = tsig::keys::NewKey {
            name: "Peer.".into(),
            algorithm: None,
            secret: Some("c2VjcmV0IG9mIDE2IGJ5dA==".into()),
            transfer: true,
            update: vec!["*".into()],
        };
        assert!(tsig::keys::create(&port.store, &port.environment(), again.clone()).await.is_err());
        assert!(tsig::keys::delete(&port.store, "peer").await.expect("deleted"));
        assert!(!tsig::keys::delete(&port.store, "peer").await.expect("deleted"));
        let (info, secret) =
            tsig::keys::create(&port.store, &port.environment(), again.clone()).await.expect("made");
        assert_eq!((&info.name[..], &secret[..]), ("peer", "c2VjcmV0IG9mIDE2IGJ5dA=="));
        for (field, value) in [("secret", "c2hvcnQ="), ("secret", "not base64"), ("algorithm", "hmac-md5")] {
            again.name = "another".into();
            let mut bad = again.clone();
            match field {
                "secret" => bad.secret = Some(value.into()),
                _ => bad.algorithm = Some(value.into()),
            }
            assert!(tsig::keys::create(&port.store, &port.environment(), bad).await.is_err(), "{value}");
        }
    });
}
