//! Recovery codes: shown once, kept as hashes, each good for one sign-in.
//!
//! A code has 80 random bits, so a fast hash is enough: nobody can try them all. Guesses are
//! counted with the wrong passwords of the same account, so that neither is a way around the
//! limit of the other.

use super::RecoveryError;
use crate::accounts::{self, Seen};
use crate::attempts;
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::handle::Handle;
use crate::limits::Client;
use crate::sessions::{self, Notice};
use crate::sign_ins::{self, SignedIn};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How many codes there are.
pub const CODES: usize = 10;
/// The random bytes of a code.
const CODE_BYTES: usize = 10;
/// The characters of a code, without the hyphens between groups of four.
const CODE_LENGTH: usize = CODE_BYTES * 8 / 5;
/// The most bytes of what is read as a code.
const INPUT_BYTES_MAX: usize = 64;
/// Crockford's Base32: no letter that looks like a digit or another letter.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The hashes of the codes that are left.
    hashes: Vec<String>,
    created_at: Timestamp,
}

/// Makes new codes for a traveller who has just signed in. Those from before end with that.
pub async fn make(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    environment: &Environment<'_>,
) -> Result<Vec<String>, AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let codes: Vec<String> = (0..CODES).map(|_| write(environment.random_bytes::<CODE_BYTES>())).collect();
    let hashes = codes.iter().map(|code| hash(traveller, &read(code).unwrap_or_default())).collect();
    let kept = Kept { hashes, created_at: environment.now };
    let event = Event::traveller(Kind::MethodAdded, traveller).with("method", "recovery-code");
    match audit::commit(kv, &event, &[], &[put(traveller, &kept)?], environment).await? {
        Outcome::Committed(_) => Ok(codes),
        _ => Err(Problem::internal().into()),
    }
}

/// How many codes are left.
pub async fn left(kv: &impl Kv, traveller: &str) -> Result<usize, AuthError> {
    Ok(load(kv, traveller).await?.1.hashes.len())
}

/// Signs a traveller in with a code, which is used up by that.
pub async fn sign_in(
    kv: &impl Kv,
    handle: &str,
    code: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    let handle = Handle::new(handle).map_err(|_| RecoveryError::WrongCode)?;
    let code = read(code).ok_or(RecoveryError::WrongCode)?;
    let Seen { found, source } = accounts::look(kv, &handle, client).await?;
    attempts::count(kv, handle.folded(), &source, environment).await?;
    let traveller = found.as_ref().map_or("nobody", |found| found.id.as_str());
    let (entry, mut kept) = load(kv, traveller).await?;
    let given = hash(traveller, &code);
    let is_given = |kept: &String| bool::from(kept.as_bytes().ct_eq(given.as_bytes()));
    let used = kept.hashes.iter().position(is_given);
    let known = found.as_ref().map(|found| found.id.clone());
    let (Some(found), Some(used)) = (found, used) else {
        let method = "recovery-code";
        audit::sign_in_failed(kv, known.as_deref(), handle.folded(), method, environment).await?;
        return Err(RecoveryError::WrongCode.into());
    };
    kept.hashes.remove(used);
    let (mut signed_in, mut writes) = sign_ins::open(kv, &found.id, client, &source, environment).await?;
    let notices = &mut signed_in.session.notices;
    notices.push(Notice::RecoveryCodeUsed { left: kept.hashes.len() });
    // Whoever needs a code has lost a way in, or has but one.
    if !notices.contains(&Notice::AddPasskey) {
        notices.push(Notice::AddPasskey);
    }
    writes.extend([put(&found.id, &kept)?, attempts::clear(handle.folded(), &source)]);
    let check = Check::unchanged(key(&found.id), entry.as_ref());
    let event = Event::traveller(Kind::SignedIn, &found.id).with("method", "recovery-code");
    match audit::commit(kv, &event, &[check], &writes, environment).await? {
        Outcome::Committed(_) => Ok(signed_in),
        // Another sign-in used a code at the same time, and it may have been this one.
        _ => Err(RecoveryError::WrongCode.into()),
    }
}

async fn load(kv: &impl Kv, traveller: &str) -> Result<(Option<Entry>, Kept), AuthError> {
    let entry = kv.get(&key(traveller)).await?;
    let kept = match &entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Kept::default(),
    };
    Ok((entry, kept))
}

fn put(traveller: &str, kept: &Kept) -> Result<Write, Problem> {
    let value = serde_json::to_vec(kept).map_err(|_| Problem::internal())?;
    Ok(Write::put(key(traveller), value))
}

/// Writes a code as people copy it: in groups of four.
fn write(bytes: [u8; CODE_BYTES]) -> String {
    let bits = bytes.iter().fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let mut code = String::with_capacity(CODE_LENGTH + CODE_LENGTH / 4);
    for index in 0..CODE_LENGTH {
        if index > 0 && index % 4 == 0 {
            code.push('-');
        }
        let digit = (bits >> (5 * (CODE_LENGTH - 1 - index))) & 31;
        code.push(char::from(ALPHABET[usize::try_from(digit).unwrap_or_default()]));
    }
    code
}

/// Reads a code as people type it: in any case, with or without hyphens and spaces, and with
/// letters that look like the right digit.
fn read(text: &str) -> Option<String> {
    if text.len() > INPUT_BYTES_MAX {
        return None;
    }
    let typed = text.chars().filter(|character| !matches!(character, '-' | ' '));
    let code: String = typed
        .map(|character| match character.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .collect();
    let is_code = code.len() == CODE_LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
    is_code.then_some(code)
}

fn hash(traveller: &str, code: &str) -> String {
    jose::encode(Sha256::digest(format!("vwp recovery code {traveller} {code}").as_bytes()))
}

fn key(traveller: &str) -> Vec<u8> {
    format!("auth/recovery-codes/{traveller}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_written_however_it_is_typed() {
        let code = write([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x00]);
        assert_eq!(code, "04hm-asw9-nf6y-y080");
        assert_eq!(read(&code).as_deref(), Some("04hmasw9nf6yy080"));
        assert_eq!(read("O4HM asw9 NF6Y yo8o"), read(&code));
        assert_eq!(write([0xff; 10]), "zzzz-zzzz-zzzz-zzzz");
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in ["", "04hm", "04hm-asw9-nf6y-y08u", &"0".repeat(1000)] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
