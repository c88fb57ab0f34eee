//! What is answered. The first label of a name says how, and its key in the store is
//! `test/LABEL`; each question that gets here is counted in `test/asked`.

use crate::bindings::exports::vwp::discovery::resolver::{Guest, Notification, Reply, Transport};
use crate::bindings::vwp::discovery::types::Error;
use crate::{Component, messages, store};

const A: u16 = 1;
const TXT: u16 = 16;
const AXFR: u16 = 252;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
/// How many messages a transfer has.
const TRANSFER_MESSAGES: u8 = 100;
/// How many records each of them has, of 256 bytes each.
const TRANSFER_RECORDS: usize = 60;

impl Guest for Component {
    async fn answer(query: Vec<u8>, _: Transport) -> Result<Reply, Error> {
        store::add("test/asked").await.map_err(|_| Error::Internal)?;
        let Some((label, rtype)) = messages::question(&query) else {
            return Ok(alone(Vec::new()));
        };
        if rtype == AXFR {
            return Ok(transfer(&query, 0));
        }
        match label.as_str() {
            "silent" => return Ok(Reply { messages: Vec::new(), ..alone(Vec::new()) }),
            "big" => return Ok(alone(messages::answer(&query, 0, TXT, &vec![text(); 10]))),
            "slow" => store::wait_for("test/go").await.map_err(|_| Error::Internal)?,
            _ => {}
        }
        let mode = store::get("test/mode").await.map_err(|_| Error::Internal)?;
        match mode.as_deref() {
            Some(b"trap") => panic!("the test wants it so"),
            Some(b"refuse") => return Err(Error::Unavailable("the test wants it so".to_owned())),
            Some(b"servfail") => return Ok(alone(messages::answer(&query, SERVFAIL, A, &[]))),
            _ => {}
        }
        let key = format!("test/{label}");
        let value = store::get(&key).await.map_err(|_| Error::Internal)?;
        let message = match &value {
            Some(address) => messages::answer(&query, 0, A, std::slice::from_ref(address)),
            None => messages::answer(&query, NXDOMAIN, A, &[]),
        };
        let kept_s = if label == "brief" { 1 } else { 3600 };
        Ok(Reply { sources: vec![key.into_bytes()], kept_s, ..alone(message) })
    }

    async fn resume(more: Vec<u8>) -> Result<Reply, Error> {
        match more.split_first() {
            Some((&count, query)) if count < TRANSFER_MESSAGES => Ok(transfer(query, count)),
            _ => Err(Error::Internal),
        }
    }

    async fn notifications() -> Result<Vec<Notification>, Error> {
        let to = store::get("test/notify").await.map_err(|_| Error::Internal)?;
        let Some(to) = to.and_then(|to| String::from_utf8(to).ok()) else {
            return Ok(Vec::new());
        };
        store::delete("test/notify").await.map_err(|_| Error::Internal)?;
        Ok(vec![Notification { to, message: messages::notify() }])
    }
}

/// An answer that is for this question alone.
fn alone(message: Vec<u8>) -> Reply {
    Reply { messages: vec![message], more: None, sources: Vec::new(), kept_s: 0 }
}

/// The data of a TXT record with 255 bytes.
fn text() -> Vec<u8> {
    [&[255][..], &[b'x'; 255]].concat()
}

/// Message number `count` of a transfer.
fn transfer(query: &[u8], count: u8) -> Reply {
    let mut records = vec![text(); TRANSFER_RECORDS];
    records[0][1] = count;
    let next = count + 1;
    let more = (next < TRANSFER_MESSAGES).then(|| [&[next], query].concat());
    Reply { more, ..alone(messages::answer(query, 0, TXT, &records)) }
}
