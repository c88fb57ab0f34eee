//! Whole zones as text: master files (RFC 1035, section 5), record by record.
//!
//! - [`export`]: a zone at one serial number, in pages.
//! - [`import`]: the names of a master file, to be put into a zone.

pub mod export;
pub mod import;

pub use crate::transfer::packer::Record;

use chrono::{DateTime, Datelike, Timelike};
use domain::base::name::ParsedName;
use domain::base::rdata::{ParseRecordData, UnknownRecordData};
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::dep::octseq::Parser;
use domain::rdata::ZoneRecordData;
use domain::rdata::dnssec::{Rrsig, Timestamp};
use domain::utils::base64;

/// A record's data as text. Types without a notation of their own, and data that is not what
/// its type says, are in the notation for unknown types (RFC 3597, section 5).
pub fn data_text(record: &Record) -> String {
    let mut parser = Parser::from_ref(record.data.as_slice());
    let parsed = ZoneRecordData::<&[u8], ParsedName<&[u8]>>::parse_rdata(record.rtype, &mut parser);
    match parsed {
        Ok(Some(ZoneRecordData::Rrsig(data))) if parser.remaining() == 0 => rrsig_text(&data),
        Ok(Some(data)) if parser.remaining() == 0 => data.display_zonefile(DisplayKind::Simple).to_string(),
        _ => UnknownRecordData::from_octets(record.rtype, record.data.as_slice())
            .map(|data| data.to_string())
            .unwrap_or_default(),
    }
}

/// A signature with its times as dates: both notations of RFC 4034, section 3.2, mean the same,
/// but NSD 4.6 reads no other.
fn rrsig_text(data: &Rrsig<&[u8], ParsedName<&[u8]>>) -> String {
    format!(
        "{} {} {} {} {} {} {} {}. {}",
        data.type_covered(),
        data.algorithm().to_int(),
        data.labels(),
        data.original_ttl().as_secs(),
        date(data.expiration()),
        date(data.inception()),
        data.key_tag(),
        data.signer_name(),
        base64::encode_string(data.signature()),
    )
}

/// A time of a signature as YYYYMMDDHHmmSS in UTC (RFC 4034, section 3.2).
fn date(time: Timestamp) -> String {
    // Every time of 32 bits is a date; the number would mean the same.
    DateTime::from_timestamp(i64::from(time.into_int()), 0).map_or_else(
        || time.to_string(),
        |date| {
            let day = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
            format!("{day}{:02}{:02}{:02}", date.hour(), date.minute(), date.second())
        },
    )
}

/// A record as a line of a master file.
pub fn line(record: &Record) -> String {
    // A type without a name is written as its number (RFC 3597, section 5).
    format!("{}. {} IN {} {}\n", record.owner, record.ttl_s, record.rtype, data_text(record))
}
