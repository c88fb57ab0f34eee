//! Whole zones as text: master files (RFC 1035, section 5), record by record.
//!
//! - [`export`]: a zone at one serial number, in pages.
//! - [`import`]: the names of a master file, to be put into a zone.

pub mod export;
pub mod import;

pub use crate::transfer::packer::Record;

use domain::base::name::ParsedName;
use domain::base::rdata::{ParseRecordData, UnknownRecordData};
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::dep::octseq::Parser;
use domain::rdata::ZoneRecordData;

/// A record's data as text. Types without a notation of their own, and data that is not what
/// its type says, are in the notation for unknown types (RFC 3597, section 5).
pub fn data_text(record: &Record) -> String {
    let mut parser = Parser::from_ref(record.data.as_slice());
    let parsed = ZoneRecordData::<&[u8], ParsedName<&[u8]>>::parse_rdata(record.rtype, &mut parser);
    match parsed {
        Ok(Some(data)) if parser.remaining() == 0 => data.display_zonefile(DisplayKind::Simple).to_string(),
        _ => UnknownRecordData::from_octets(record.rtype, record.data.as_slice())
            .map(|data| data.to_string())
            .unwrap_or_default(),
    }
}

/// A record as a line of a master file.
pub fn line(record: &Record) -> String {
    // A type without a name is written as its number (RFC 3597, section 5).
    format!("{}. {} IN {} {}\n", record.owner, record.ttl_s, record.rtype, data_text(record))
}
