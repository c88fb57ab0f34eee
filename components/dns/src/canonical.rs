//! Record data in DNSSEC's canonical form: without compression, and with the names in it in
//! lower case where RFC 4034, section 6.2 (as corrected by RFC 6840, section 5.1) asks for it.

use crate::error::DnsError;
use crate::node::Set;
use domain::base::iana::Rtype as Type;
use domain::base::name::ParsedName;
use domain::base::rdata::{ComposeRecordData, ParseRecordData};
use domain::base::{Rtype, Ttl};
use domain::dep::octseq::Parser;
use domain::rdata::ZoneRecordData;

impl Set {
    /// A set of records of one type, in canonical form and order.
    pub fn from_records<'a, D: ComposeRecordData + 'a>(
        rtype: Rtype,
        ttl: Ttl,
        records: impl IntoIterator<Item = &'a D>,
    ) -> Result<Self, DnsError> {
        let data = records.into_iter().map(data).collect::<Result<_, _>>()?;
        Ok(Self::new(rtype, ttl.as_secs(), data))
    }
}

/// The canonical form of a record's data. Fails if it is not data of its type, which data
/// from a message or in the notation for unknown types (RFC 3597, section 5) may be.
pub fn data(data: &impl ComposeRecordData) -> Result<Vec<u8>, DnsError> {
    let mut plain = Vec::new();
    // Appending to a vector cannot fail.
    let _ = data.compose_rdata(&mut plain);
    wire(data.rtype(), &plain)
}

/// The canonical form of uncompressed record data.
pub fn wire(rtype: Rtype, plain: &[u8]) -> Result<Vec<u8>, DnsError> {
    let malformed = || DnsError::Refused(format!("a record is not one of type {rtype}"));
    if u16::try_from(plain.len()).is_err() {
        return Err(DnsError::Refused(format!("a record of type {rtype} has more than 65,535 bytes")));
    }
    let mut parser = Parser::from_ref(plain);
    let parsed: ZoneRecordData<&[u8], ParsedName<&[u8]>> =
        ZoneRecordData::parse_rdata(rtype, &mut parser).ok().flatten().ok_or_else(malformed)?;
    if parser.remaining() > 0 {
        return Err(malformed());
    }
    let mut canonical = Vec::with_capacity(plain.len());
    let _ = parsed.compose_canonical_rdata(&mut canonical);
    if let Some((at, names)) = names_within(rtype) {
        lower_names(&mut canonical, at, names).ok_or_else(malformed)?;
    }
    Ok(canonical)
}

/// Where the names are in the data of types that `domain` does not know and whose names are
/// nevertheless in lower case: after how many bytes, and how many.
fn names_within(rtype: Rtype) -> Option<(usize, usize)> {
    match rtype {
        Type::RP => Some((0, 2)),
        Type::AFSDB | Type::RT | Type::KX => Some((2, 1)),
        Type::PX => Some((2, 2)),
        _ => None,
    }
}

/// Lowers the last names of record data; none if there are others, or something else.
fn lower_names(bytes: &mut [u8], mut at: usize, names: usize) -> Option<()> {
    for _ in 0..names {
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            // A pointer (RFC 1035, section 4.1.4) has no place in data of these types
            // (RFC 3597, section 4), and means nothing outside its message.
            let label = at.checked_add(length).filter(|_| length < 64)?;
            bytes.get_mut(at..label)?.make_ascii_lowercase();
            at = label;
        }
    }
    (at == bytes.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::Name;
    use domain::base::rdata::UnknownRecordData;
    use domain::rdata::{Mx, Srv, Txt};

    #[test]
    fn names_that_rfc_4034_lists_are_in_lower_case_and_others_stay() {
        let name = Name::vec_from_str("Mail.Example").expect("a name");
        assert_eq!(data(&Mx::new(1, name.clone())), Ok(b"\0\x01\x04mail\x07example\0".to_vec()));
        assert_eq!(data(&Srv::new(1, 2, 3, name)), Ok(b"\0\x01\0\x02\0\x03\x04mail\x07example\0".to_vec()));
        let text: Txt<Vec<u8>> = Txt::build_from_slice(b"Mail").expect("short");
        assert_eq!(data(&text), Ok(b"\x04Mail".to_vec()));
        assert_eq!(wire(Type::AFSDB, b"\0\x01\x02AB\0"), Ok(b"\0\x01\x02ab\0".to_vec()));
    }

    #[test]
    fn unknown_types_survive_and_known_ones_are_read_even_if_written_as_unknown() {
        let unknown =
            |rtype, bytes: &'static [u8]| data(&UnknownRecordData::from_octets(rtype, bytes).expect("short"));
        assert_eq!(unknown(Rtype::from_int(65_400), b"\x02AB\0"), Ok(b"\x02AB\0".to_vec()));
        assert_eq!(unknown(Type::MX, b"\0\x01\x02AB\0"), Ok(b"\0\x01\x02ab\0".to_vec()));
        assert_eq!(unknown(Type::A, b"\x7f\0\0\x01"), Ok(vec![127, 0, 0, 1]));
        for (rtype, bytes) in [
            (Type::A, &b"\x7f\0\0\x01\0"[..]),
            (Type::MX, b"\0"),
            (Type::AFSDB, b"\0\x01\xc0\x0c"),
            (Type::AFSDB, b"\0\x01\x3fa"),
            (Type::AFSDB, b"\0\x01\0\0"),
        ] {
            assert!(matches!(unknown(rtype, bytes), Err(DnsError::Refused(_))), "{rtype}");
        }
    }
}
