//! A bulk in CBOR (RFC 8949), for who sends many: accounts are named once and then by number, and members
//! have places instead of names. In CDDL (RFC 8610):
//!
//! ```cddl
//! bulk = [accounts: [+ account], transfers: [+ transfer]]
//! account = [owner: tstr, asset: tstr]
//! transfer = [idempotency-key: tstr, from: uint, to: uint, amount: amount,
//!             memo: tstr / null, code: uint .size 2, linked: bool]
//! amount = uint / biguint                  ; below 2^128
//!
//! answers = [+ answer]                     ; in the order of the transfers
//! answer = [refusal: tstr / null,          ; the last part of the problem's type
//!           transfer-id: bstr .size 16, position: uint, time: uint, repeated: bool]
//! ```
//!
//! All transfers are plain ones.

use crate::Error;
use crate::amount::Amount;
use crate::bulk::{BULK_TRANSFERS_MAX, Bulk, Settled};
use crate::orders::Order;
use ciborium::Value;
use serde::{Deserialize, Serialize};

/// The type of the body.
pub const MEDIA_TYPE: &str = "application/cbor";
/// How deep arrays may be in each other: a transfer is in a list in the bulk.
const DEPTH_MAX: usize = 4;

#[derive(Serialize, Deserialize)]
struct CompactBulk(Vec<Account>, Vec<Transfer>);

#[derive(Serialize, Deserialize)]
struct Account(String, String);

#[derive(Serialize, Deserialize)]
struct Transfer(String, u32, u32, u128, Option<String>, u16, bool);

/// Reads a bulk.
pub fn read(body: &[u8]) -> Result<Bulk, Error> {
    let invalid = |why: &str| Error::Invalid(format!("the body is not a bulk in CBOR: {why}"));
    let mut rest = body;
    let read: CompactBulk = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX)
        .map_err(|_| invalid("it is malformed"))?;
    if !rest.is_empty() {
        return Err(invalid("something comes after it"));
    }
    let CompactBulk(accounts, transfers) = read;
    if transfers.len() > BULK_TRANSFERS_MAX {
        return Err(invalid("it has too many transfers"));
    }
    let account = |number: u32| {
        let account = usize::try_from(number).ok().and_then(|number| accounts.get(number));
        account.ok_or_else(|| invalid("it has no account with a number that a transfer names"))
    };
    let order = |transfer: Transfer| {
        let Transfer(idempotency_key, from, to, amount, memo, code, linked) = transfer;
        let (Account(from, asset), Account(to, other)) = (account(from)?, account(to)?);
        if asset != other {
            return Err(invalid("a transfer's two accounts are of two assets"));
        }
        Ok(Order {
            idempotency_key: Some(idempotency_key),
            from: Some(from.clone()),
            to: Some(to.clone()),
            asset: Some(asset.clone()),
            amount: Some(Amount(amount)),
            memo,
            code: (code != 0).then_some(code),
            linked,
            ..Order::default()
        })
    };
    Ok(Bulk { transfers: transfers.into_iter().map(order).collect::<Result<_, _>>()? })
}

/// Writes the answers.
pub fn write(settled: &[Settled]) -> Vec<u8> {
    let answer = |settled: &Settled| {
        Value::Array(vec![
            settled.result.as_ref().err().map_or(Value::Null, |error| Value::Text(error.slug().to_owned())),
            Value::Bytes(settled.id.to_be_bytes().to_vec()),
            Value::Integer(settled.answer.position.into()),
            Value::Integer(settled.answer.time.into()),
            Value::Bool(settled.answer.repeated),
        ])
    };
    let mut body = Vec::new();
    // A vector takes whatever is written to it.
    let _ = ciborium::into_writer(&Value::Array(settled.iter().map(answer).collect()), &mut body);
    body
}
