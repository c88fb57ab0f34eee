//! Bytes from one thread to another, as a writer on one side and a reader on the other.

use bytes::Bytes;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many chunks may wait; who writes then waits for who reads.
pub(super) const CHUNKS_MAX: usize = 4;
/// How long a chunk is, about.
pub(super) const CHUNK_LENGTH: usize = 256 * 1024;

/// What is sent: bytes, or why there are no more. The end is the sender's end.
pub(super) type Chunk = io::Result<Bytes>;

/// A bounded channel of chunks.
pub(super) fn chunks() -> (SyncSender<Chunk>, ChunkReader) {
    let (sender, receiver) = sync_channel(CHUNKS_MAX);
    (sender, ChunkReader { receiver, left: Bytes::new() })
}

/// Reads what the other side sends.
pub(super) struct ChunkReader {
    receiver: Receiver<Chunk>,
    left: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.receiver.recv() {
                Ok(chunk) => self.left = chunk?,
                // Whoever sent has ended.
                Err(_) => return Ok(0),
            }
        }
        let length = self.left.len().min(buffer.len());
        let taken = self.left.split_to(length);
        if let Some(place) = buffer.get_mut(..length) {
            place.copy_from_slice(&taken);
        }
        Ok(length)
    }
}

/// Collects what is written into chunks, and hands them to `send`, which says whether anybody
/// still wants them.
pub(super) struct ChunkWriter<F> {
    buffer: Vec<u8>,
    send: F,
}

impl<F: FnMut(Bytes) -> bool> ChunkWriter<F> {
    pub(super) fn new(send: F) -> Self {
        Self { buffer: Vec::with_capacity(CHUNK_LENGTH), send }
    }
}

impl<F: FnMut(Bytes) -> bool> Write for ChunkWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_LENGTH {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_LENGTH));
        if (self.send)(chunk.into()) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_on_one_side_is_read_on_the_other() {
        let (sender, mut reader) = chunks();
        let written: Vec<u8> = (0..=250).cycle().take(3 * CHUNK_LENGTH).collect();
        let expected = written.clone();
        let writer = std::thread::spawn(move || {
            let mut writer = ChunkWriter::new(|chunk| sender.send(Ok(chunk)).is_ok());
            for part in written.chunks(1000) {
                writer.write_all(part).expect("a reader");
            }
            writer.flush().expect("a reader");
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).expect("all of it");
        writer.join().expect("no panic");
        assert!(read == expected);
    }

    #[test]
    fn who_writes_learns_that_nobody_reads() {
        let (sender, reader) = chunks();
        drop(reader);
        let mut writer = ChunkWriter::new(|chunk| sender.send(Ok(chunk)).is_ok());
        assert!(writer.write_all(&vec![0; CHUNK_LENGTH]).is_err());
    }
}
