//! The coding `gzip` (RFC 1952) of content that comes in parts.

use zlib_rs::{Deflate, DeflateConfig, DeflateError, DeflateFlush, Status};

/// How hard it tries, of 9: zlib's own default.
const LEVEL: i32 = 6;
/// The largest window, 32 KiB, and 16 for a gzip wrapper: zlib's way to say so (`deflateInit2`).
const WINDOW_BITS: i32 = 15 + 16;
/// How much is written at once, in bytes.
const ROOM_BYTES: usize = 8 * 1024;

/// Content that is being compressed. It takes about 300 KiB, whatever the content's length is.
pub struct Gzip {
    deflate: Deflate,
    /// Whether something was taken that cannot be read yet.
    is_held: bool,
}

/// The compressor is in a state that it cannot be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl Default for Gzip {
    fn default() -> Self {
        let config = DeflateConfig { level: LEVEL, window_bits: WINDOW_BITS, ..DeflateConfig::default() };
        Self { deflate: Deflate::new_with_config(config), is_held: false }
    }
}

impl Gzip {
    /// Takes a part, and gives out what that makes sendable: often nothing.
    pub fn write(&mut self, part: &[u8]) -> Result<Vec<u8>, Broken> {
        self.is_held |= !part.is_empty();
        self.run(part, DeflateFlush::NoFlush)
    }

    /// Gives out what was taken until now, so that it can be read: for content that pauses. Each time costs
    /// a few bytes.
    pub fn flush(&mut self) -> Result<Vec<u8>, Broken> {
        if !std::mem::take(&mut self.is_held) {
            return Ok(Vec::new());
        }
        self.run(&[], DeflateFlush::SyncFlush)
    }

    /// Gives out the rest, with the content's length and check value.
    pub fn finish(mut self) -> Result<Vec<u8>, Broken> {
        self.run(&[], DeflateFlush::Finish)
    }

    fn run(&mut self, mut part: &[u8], flush: DeflateFlush) -> Result<Vec<u8>, Broken> {
        let (mut compressed, mut room) = (Vec::new(), [0; ROOM_BYTES]);
        loop {
            let (taken, given) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(part, &mut room, flush).map_err(|_: DeflateError| Broken)?;
            let difference = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| Broken);
            let taken = difference(self.deflate.total_in(), taken)?;
            let given = difference(self.deflate.total_out(), given)?;
            part = part.get(taken..).ok_or(Broken)?;
            compressed.extend_from_slice(room.get(..given).ok_or(Broken)?);
            if status == Status::StreamEnd {
                return Ok(compressed);
            }
            // Room that is left means that there is no more to give.
            if part.is_empty() && given < ROOM_BYTES {
                return if flush == DeflateFlush::Finish { Err(Broken) } else { Ok(compressed) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zlib_rs::{Inflate, InflateFlush};

    /// What a reader makes of compressed bytes, and whether they are whole.
    fn read(compressed: &[u8]) -> (Vec<u8>, bool) {
        let (mut inflate, mut content) = (Inflate::new(true, 15 + 16), Vec::new());
        let mut room = vec![0; 1 << 20];
        let mut rest = compressed;
        loop {
            let (taken, given) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, &mut room, InflateFlush::SyncFlush).expect("gzip");
            rest = &rest[usize::try_from(inflate.total_in() - taken).expect("short")..];
            let given = usize::try_from(inflate.total_out() - given).expect("short");
            content.extend_from_slice(&room[..given]);
            if status == Status::StreamEnd || given == 0 {
                return (content, status == Status::StreamEnd && rest.is_empty());
            }
        }
    }

    fn compressed(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut gzip = Gzip::default();
        let mut all = Vec::new();
        for part in parts {
            all.extend(gzip.write(part).expect("it works"));
        }
        all.extend(gzip.finish().expect("it works"));
        all
    }

    #[test]
    fn text_becomes_shorter_and_is_the_same_when_it_is_read() {
        let text = "a world between other worlds, ".repeat(10_000).into_bytes();
        let compressed = compressed(std::slice::from_ref(&text));
        assert!(compressed.len() < text.len() / 50, "{}", compressed.len());
        assert_eq!(read(&compressed), (text, true));
    }

    #[test]
    fn nothing_is_a_whole_answer_too() {
        assert_eq!(read(&compressed(&[])), (Vec::new(), true));
    }

    #[test]
    fn what_is_flushed_can_be_read_although_more_may_come() {
        let mut gzip = Gzip::default();
        let mut sent = Vec::new();
        let mut expected = Vec::new();
        for part in ["first", " and second", " and third"] {
            sent.extend(gzip.write(part.as_bytes()).expect("it works"));
            sent.extend(gzip.flush().expect("it works"));
            expected.extend_from_slice(part.as_bytes());
            assert_eq!(read(&sent), (expected.clone(), false));
        }
        assert_eq!(gzip.flush(), Ok(Vec::new()), "there is nothing more");
        sent.extend(gzip.finish().expect("it works"));
        assert_eq!(read(&sent), (expected, true));
    }

    proptest! {
        #[test]
        fn whatever_is_compressed_is_read_as_it_was(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40_000), 0..6),
        ) {
            prop_assert_eq!(read(&compressed(&parts)), (parts.concat(), true));
        }
    }
}
