//! Texts with signatures: C2SP signed-note.
//!
//! Keys are P-256 keys alone, which the specification calls type 2: the signature is ECDSA over
//! SHA-256 in DER, the key is a SubjectPublicKeyInfo in DER, and its id is the beginning of the
//! latter's SHA-256.

use base64ct::{Base64, Encoding};
use p256::ecdsa::signature::{Signer, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePublicKey, EncodePublicKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The longest note that is read, in bytes: 16 signatures have to fit, some of which may be of
/// kinds that have 5 kB.
pub const NOTE_LENGTH_MAX: usize = 131_072;
/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 64;
/// The longest verifier key that is read.
const VERIFIER_LENGTH_MAX: usize = 1024;
/// What a signature line starts with.
const MARK: &str = "\u{2014} ";
/// The type of ECDSA signatures (signed-note, "Signature types").
const ECDSA: u8 = 2;

/// The beginning of a key's hash, by which a signature says which key made it.
type KeyId = [u8; 4];

/// Why a note is not believed, or cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not a note.
    #[error("not a signed note")]
    Malformed,
    /// The name is not one that a key can have.
    #[error("a key's name is not empty, and has no spaces, control characters or plus signs")]
    Name,
    /// The text does not end with a line break, or has control characters.
    #[error("a note's text ends with a line break and has no other control characters")]
    Text,
    /// The text is not a verifier key.
    #[error("not a verifier key of type 2 (ECDSA): <name>+<id>+<key>")]
    Verifier,
    /// No known key signed it.
    #[error("no known key signed the note")]
    Unsigned,
    /// A known key's signature does not match.
    #[error("the note's signature does not match")]
    Signature,
}

/// A key that signatures of notes are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

impl Verifier {
    /// The verifier of this name for a public key.
    pub fn new(name: &str, key: &VerifyingKey) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Name);
        }
        Ok(Self { name: name.to_owned(), id: key_id(&encoded(key)?)?, key: *key })
    }

    /// The key's name: that of the log.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Verifier {
    /// A verifier key (signed-note, "Verifier keys").
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = encoded(&self.key).map_err(|_| fmt::Error)?;
        let key = Base64::encode_string(&[&[ECDSA], key.as_slice()].concat());
        write!(formatter, "{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id))
    }
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            // The last part may have plus signs of its own; the others have none.
            let mut parts = text.splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let bytes = Base64::decode_vec(key).ok()?;
            let (kind, spki) = bytes.split_first()?;
            let key = VerifyingKey::from_public_key_der(spki).ok().filter(|_| *kind == ECDSA)?;
            let verifier = Self::new(name, &key).ok()?;
            (format!("{:08x}", u32::from_be_bytes(verifier.id)) == id).then_some(verifier)
        };
        if text.len() > VERIFIER_LENGTH_MAX {
            return Err(NoteError::Verifier);
        }
        read().ok_or(NoteError::Verifier)
    }
}

/// Signs a text in a name. Deterministic (RFC 6979).
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<String, NoteError> {
    if !is_text(text) {
        return Err(NoteError::Text);
    }
    let verifier = Verifier::new(name, key.verifying_key())?;
    let signature: DerSignature = key.sign(text.as_bytes());
    let signature = Base64::encode_string(&[&verifier.id, signature.as_bytes()].concat());
    Ok(format!("{text}\n{MARK}{name} {signature}\n"))
}

/// The text of a note that a known key signed. A note with a signature of a known key that does
/// not match is refused, whoever else signed it; signatures of others are passed over.
pub fn open<'a>(note: &'a str, known: &[Verifier]) -> Result<&'a str, NoteError> {
    if note.len() > NOTE_LENGTH_MAX {
        return Err(NoteError::Malformed);
    }
    // The text ends at the last empty line, and with the line break before it.
    let end = note.rfind("\n\n").ok_or(NoteError::Malformed)? + 1;
    let (text, signatures) = note.split_at_checked(end).ok_or(NoteError::Malformed)?;
    let signatures = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    let signatures = signatures.filter(|_| is_text(text)).ok_or(NoteError::Malformed)?;
    let mut signed = false;
    for (number, line) in signatures.split('\n').enumerate() {
        let (name, id, signature) = signature(line).ok_or(NoteError::Malformed)?;
        if number >= SIGNATURES_MAX {
            return Err(NoteError::Malformed);
        }
        for verifier in known.iter().filter(|verifier| verifier.name == name && verifier.id == id) {
            let signature = DerSignature::try_from(signature.as_slice()).map_err(|_| NoteError::Signature)?;
            verifier.key.verify(text.as_bytes(), &signature).map_err(|_| NoteError::Signature)?;
            signed = true;
        }
    }
    if signed { Ok(text) } else { Err(NoteError::Unsigned) }
}

/// A signature line: the key's name and id, and the signature.
fn signature(line: &str) -> Option<(&str, KeyId, Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(MARK)?.split_once(' ')?;
    let bytes = Base64::decode_vec(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    is_name(name).then(|| (name, *id, signature.to_vec()))
}

fn encoded(key: &VerifyingKey) -> Result<Vec<u8>, NoteError> {
    Ok(key.to_public_key_der().map_err(|_| NoteError::Verifier)?.into_vec())
}

fn key_id(spki: &[u8]) -> Result<KeyId, NoteError> {
    Sha256::digest(spki).first_chunk().copied().ok_or(NoteError::Verifier)
}

fn is_name(name: &str) -> bool {
    let bad = |character: char| character.is_whitespace() || character.is_control() || character == '+';
    !name.is_empty() && !name.contains(bad)
}

fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.contains(|character: char| character < ' ' && character != '\n')
}
