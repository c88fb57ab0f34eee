//! Reading and writing fields of fixed size, one after the other.

use super::{HEADER_LENGTH, Malformed, VERSION};
use alloc::vec::Vec;

/// Reads fields from the start of a slice.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    pub(crate) fn text<const N: usize>(&mut self) -> Result<super::Text<N>, Malformed> {
        super::Text::from_bytes(self.array()?)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Field),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// Reads bytes that mean nothing yet, which are zero.
    pub(crate) fn zeros<const N: usize>(&mut self) -> Result<(), Malformed> {
        if self.array::<N>()? == [0; N] { Ok(()) } else { Err(Malformed::Field) }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Length) }
    }
}

/// Appends fields to a vector.
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u128(&mut self, value: u128) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn zeros<const N: usize>(&mut self) -> &mut Self {
        self.bytes(&[0; N])
    }

    pub(crate) fn header(&mut self, header: Header) -> &mut Self {
        self.u8(header.kind).u8(VERSION).u8(header.code).u8(0);
        self.u32(header.openings).u32(header.transfers).zeros::<4>()
    }
}

/// The start of every message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) openings: u32,
    pub(crate) transfers: u32,
}

impl Header {
    /// Reads a header, and what follows it.
    pub(crate) fn split(message: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        if message.len() < HEADER_LENGTH {
            return Err(Malformed::Length);
        }
        let mut reader = Reader::new(message);
        let (kind, version, code) = (reader.u8()?, reader.u8()?, reader.u8()?);
        // First of all: what another version's other fields mean is not known here.
        if version != VERSION {
            return Err(Malformed::Version);
        }
        reader.zeros::<1>()?;
        let (openings, transfers) = (reader.u32()?, reader.u32()?);
        reader.zeros::<4>()?;
        Ok((Self { kind, code, openings, transfers }, reader.rest()))
    }
}
