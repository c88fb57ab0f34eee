//! DNS messages, as little of them as the tests need.

const HEADER: usize = 12;
/// QR and AA.
const ANSWER: u8 = 0x84;

/// The first label of the name that is asked for, and the type.
pub(crate) fn question(query: &[u8]) -> Option<(String, u16)> {
    let length = usize::from(*query.get(HEADER)?);
    let label = String::from_utf8(query.get(HEADER + 1..HEADER + 1 + length)?.to_vec()).ok()?;
    let end = question_end(query)?;
    let rtype = query.get(end - 4..end - 2)?;
    Some((label, u16::from_be_bytes([rtype[0], rtype[1]])))
}

fn question_end(query: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    while *query.get(at)? != 0 {
        at += usize::from(query[at]) + 1;
    }
    Some(at + 5)
}

/// An answer with these records, each the data of one of this type, for half a minute.
pub(crate) fn answer(query: &[u8], code: u8, rtype: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let end = question_end(query).unwrap_or(query.len());
    let mut message = query[..end].to_vec();
    message[2] = message[2] & 0x79 | ANSWER;
    message[3] = code;
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    message[4..6].copy_from_slice(&1_u16.to_be_bytes());
    message[6..8].copy_from_slice(&count.to_be_bytes());
    message[8..12].fill(0);
    for data in records {
        // The name is the question's; the class is IN; the TTL is 300.
        message.extend([0xc0, 0x0c]);
        message.extend(rtype.to_be_bytes());
        message.extend([0, 1, 0, 0, 1, 44]);
        message.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        message.extend(data);
    }
    message
}

/// A NOTIFY (RFC 1996) about `zone.test`.
pub(crate) fn notify() -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x24, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x04zone\x04test\x00\x00\x06\x00\x01");
    message
}
