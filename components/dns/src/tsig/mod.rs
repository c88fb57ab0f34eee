//! Messages signed with a secret that two servers share (TSIG, RFC 8945).
//!
//! HMAC is the `hmac` crate's and the record's wire format the `domain` crate's; here is
//! what is signed, and what a signature that does not hold is answered with. MD5 and SHA-1
//! are not offered (RFC 8945, section 6, no longer asks for them to be used), nor are
//! truncated signatures.

mod key;
pub mod keys;

pub use key::{Algorithm, Key};

use crate::name::OwnName;
use crate::trailer::{Trailer, adjust_additional};
use domain::base::iana::{Class, Rcode, TsigRcode};
use domain::base::{Message, MessageBuilder, Name, Record, Ttl};
use domain::dep::octseq::Parser;
use domain::rdata::tsig::{Time48, Tsig};

/// How far the clocks may be apart, in seconds (RFC 8945, section 10).
pub const FUDGE_S: u16 = 300;

/// The record data of a TSIG, owning its bytes.
type Data = Tsig<Vec<u8>, OwnName>;

/// The signature of a request, not verified yet.
#[derive(Debug, Clone)]
pub struct Signature {
    owner: OwnName,
    data: Data,
    covered: Vec<u8>,
}

/// Signs what a request is answered with, one message after the other.
#[derive(Debug, Clone)]
pub struct Signer {
    key: Key,
    /// The last signature of the exchange, which the next one covers.
    previous: Vec<u8>,
    /// Whether a message was signed already.
    is_continued: bool,
}

/// A request whose signature holds.
#[derive(Debug)]
pub struct Verified {
    /// The request as it was before it was signed.
    pub request: Vec<u8>,
    /// Who signs the answer.
    pub signer: Signer,
    /// The signature, which no other request has.
    pub mac: Vec<u8>,
    /// Until when the signature is taken for one of now, in seconds.
    pub valid_until_s: u64,
}

/// What a request is answered with whose signature does not hold.
#[derive(Debug)]
pub struct Refusal(pub Vec<u8>);

impl Signature {
    /// Reads the signature of a request; none if it is malformed, to be answered FORMERR.
    pub fn read(trailer: Trailer<'_>) -> Option<Self> {
        let mut parser = Parser::from_ref(trailer.data);
        let data = Tsig::parse(&mut parser).ok().filter(|_| parser.remaining() == 0)?;
        // RFC 8945, section 4.2: the class is ANY and the time to live 0.
        if trailer.class != Class::ANY || trailer.ttl_s != 0 {
            return None;
        }
        let data = Tsig::new(
            crate::name::lowercase(data.algorithm()),
            data.time_signed(),
            data.fudge(),
            data.mac().to_vec(),
            data.original_id(),
            data.error(),
            data.other().to_vec(),
        )
        .ok()?;
        Some(Self { owner: trailer.owner, data, covered: trailer.covered })
    }

    /// The name of the key, in lower case.
    pub fn key_name(&self) -> &OwnName {
        &self.owner
    }

    /// Verifies the request with the key of that name, if there is one (RFC 8945, section 5.2).
    pub fn verify(&self, key: Option<Key>, now_s: u64) -> Result<Verified, Refusal> {
        let Some(key) = key.filter(|key| key.is_for(&self.owner, self.data.algorithm())) else {
            return Err(self.refuse(TsigRcode::BADKEY, None, now_s));
        };
        // The signature covers the id that the request had before forwarders changed it.
        let mut request = self.covered.clone();
        set_id(&mut request, self.data.original_id());
        let mac = self.data.mac();
        let length = key.algorithm().length();
        // RFC 8945, section 5.2.2.1: longer than the hash, or truncated to less than ten
        // bytes or half of it.
        if mac.len() > length || mac.len() < (length / 2).max(10) {
            return Err(Refusal(error(&self.covered, Rcode::FORMERR)));
        }
        let digested = [&request[..], &self.variables(&key)].concat();
        if !key.verify(&digested, mac) {
            return Err(self.refuse(TsigRcode::BADSIG, None, now_s));
        }
        let fudge_s = self.data.fudge().min(FUDGE_S);
        let signed_s = u64::from(self.data.time_signed());
        if signed_s.abs_diff(now_s) > u64::from(fudge_s) {
            return Err(self.refuse(TsigRcode::BADTIME, Some(key), now_s));
        }
        if mac.len() < length {
            return Err(self.refuse(TsigRcode::BADTRUNC, Some(key), now_s));
        }
        let signer = Signer { key, previous: mac.clone(), is_continued: false };
        let valid_until_s = signed_s + u64::from(fudge_s);
        Ok(Verified { request: self.covered.clone(), signer, mac: mac.clone(), valid_until_s })
    }

    /// What a signature covers beside the message (RFC 8945, section 4.3.3).
    fn variables(&self, key: &Key) -> Vec<u8> {
        variables(key, &self.data)
    }

    /// An answer that says what is wrong with the signature. It is signed where the
    /// requester has proved to know the key (RFC 8945, section 5.3.2).
    fn refuse(&self, code: TsigRcode, key: Option<Key>, now_s: u64) -> Refusal {
        let mut answer = error(&self.covered, Rcode::NOTAUTH);
        let is_badtime = code == TsigRcode::BADTIME;
        // RFC 8945, section 5.2.3: the requester's time, and beside it ours.
        let other = if is_badtime { time(now_s).into_octets().to_vec() } else { Vec::new() };
        let time_signed = if is_badtime { self.data.time_signed() } else { time(now_s) };
        let algorithm = self.data.algorithm().clone();
        let mut data = unsigned(algorithm, time_signed, &answer, code, other);
        if let Some(key) = key {
            let previous = prefixed(self.data.mac());
            let mac = key.sign(&[&previous[..], &answer, &variables(&key, &data)].concat());
            data = with_mac(&data, mac);
        }
        append(&mut answer, &self.owner, &data);
        Refusal(answer)
    }
}

impl Signer {
    /// Signs a request that we send.
    pub fn sign_request(key: &Key, message: &mut Vec<u8>, now_s: u64) {
        let data = unsigned(key.algorithm().name(), time(now_s), message, TsigRcode::NOERROR, Vec::new());
        let mac = key.sign(&[&message[..], &variables(key, &data)].concat());
        append(message, key.name(), &with_mac(&data, mac));
    }

    /// Goes on where [`Signer::position`] was.
    pub fn resume(key: Key, previous: Vec<u8>) -> Self {
        Self { key, previous, is_continued: true }
    }

    /// The last signature, to go on from after at least one message.
    pub fn position(&self) -> &[u8] {
        &self.previous
    }

    /// The key that signs.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Signs the next message of the answer.
    pub fn sign(&mut self, message: &mut Vec<u8>, now_s: u64) {
        let algorithm = self.key.algorithm().name();
        let data = unsigned(algorithm, time(now_s), message, TsigRcode::NOERROR, Vec::new());
        // RFC 8945, section 5.3.1: after the first message, the timers alone.
        let rest = if self.is_continued { timers(&data) } else { variables(&self.key, &data) };
        let mac = self.key.sign(&[&prefixed(&self.previous)[..], message, &rest].concat());
        append(message, self.key.name(), &with_mac(&data, mac.clone()));
        self.previous = mac;
        self.is_continued = true;
    }
}

/// The most bytes that a signature of a key adds to a message.
pub fn length_max(key: &Key) -> usize {
    // The owner, type, class, time to live and length; then the record data.
    let fixed = 2 + 2 + 4 + 2 + 6 + 2 + 2 + 2 + 2 + 2;
    key.name().len() + fixed + key.algorithm().name().len() + key.algorithm().length()
}

/// A header with an error code, for a request that is not looked at further.
pub fn error(request: &[u8], rcode: Rcode) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    if let Ok(request) = Message::from_slice(request) {
        let header = builder.header_mut();
        header.set_id(request.header().id());
        header.set_qr(true);
        header.set_opcode(request.header().opcode());
        header.set_rd(request.header().rd());
        header.set_rcode(rcode);
    }
    builder.finish()
}

fn variables(key: &Key, data: &Data) -> Vec<u8> {
    let mut bytes = key.name().as_slice().to_vec();
    bytes.extend(Class::ANY.to_int().to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(data.algorithm().as_slice());
    bytes.extend(timers(data));
    bytes.extend(data.error().to_int().to_be_bytes());
    bytes.extend(prefixed(data.other()));
    bytes
}

fn timers(data: &Data) -> Vec<u8> {
    [&data.time_signed().into_octets()[..], &data.fudge().to_be_bytes()].concat()
}

/// Bytes behind their length. All are hashes or times, which are short.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn time(now_s: u64) -> Time48 {
    // `Time48::from_u64` panics beyond 48 bits, which no clock reaches.
    Time48::from_u64(now_s.min((1 << 48) - 1))
}

fn unsigned(
    algorithm: OwnName,
    time_signed: Time48,
    message: &[u8],
    code: TsigRcode,
    other: Vec<u8>,
) -> Data {
    let id = Message::from_slice(message).map_or(0, |message| message.header().id());
    data(algorithm, time_signed, Vec::new(), id, code, other)
}

fn with_mac(unsigned: &Data, mac: Vec<u8>) -> Data {
    let (algorithm, other) = (unsigned.algorithm().clone(), unsigned.other().clone());
    data(algorithm, unsigned.time_signed(), mac, unsigned.original_id(), unsigned.error(), other)
}

fn data(algorithm: OwnName, signed: Time48, mac: Vec<u8>, id: u16, code: TsigRcode, other: Vec<u8>) -> Data {
    Tsig::new(algorithm, signed, FUDGE_S, mac, id, code, other)
        .unwrap_or_else(|_| unreachable!("a name, a hash and a time fit in a record"))
}

fn append(message: &mut Vec<u8>, owner: &OwnName, data: &Data) {
    let record = Record::new(owner, Class::ANY, Ttl::ZERO, data);
    // Appending to a vector cannot fail, and no answer has 65,535 additional records.
    let _ = record.compose(message);
    let _ = adjust_additional(message, 1);
}

fn set_id(message: &mut [u8], id: u16) {
    if let Some(field) = message.get_mut(..2) {
        field.copy_from_slice(&id.to_be_bytes());
    }
}

/// The name in a form that both sides of an exchange compare (RFC 8945, section 4.3.3).
fn canonical(text: &str) -> Option<OwnName> {
    Name::vec_from_str(text).ok().map(|name| crate::name::lowercase(&name))
}
