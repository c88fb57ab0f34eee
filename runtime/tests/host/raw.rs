//! A client that sends bytes as they are, and reads answers without helping anybody.

use crate::support::{Host, within};
use std::fmt::Write;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Raw<S = TcpStream> {
    stream: S,
    /// What was read and not yet asked for.
    pending: Vec<u8>,
}

/// The head of an answer, in lower case where that does not matter.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Raw {
    /// Connects to the host.
    pub(crate) async fn connect(host: &Host) -> Self {
        Self::over(TcpStream::connect(host.address()).await.expect("the host listens"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Speaks over a stream.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// What it speaks over.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends bytes. What the host no longer takes is its choice, which shows in its answer.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: host.test\r\n\r\n")).await;
    }

    /// Sends a request's head.
    pub(crate) async fn post(&mut self, path: &str, fields: &[&str]) {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: host.test\r\n");
        for field in fields {
            let _ = write!(head, "{field}\r\n");
        }
        self.send(head + "\r\n").await;
    }

    /// Sends one chunk of a body.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) {
        self.send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()).await;
    }

    /// Reads more; whether there was more.
    async fn more(&mut self) -> bool {
        self.pending.reserve(16 * 1024);
        // A reset is an end too.
        within(self.stream.read_buf(&mut self.pending)).await.unwrap_or(0) > 0
    }

    async fn up_to(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return Some(self.pending.drain(..at + end.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads exactly so many bytes.
    pub(crate) async fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.pending.len() < length {
            assert!(self.more().await, "the answer breaks off");
        }
        self.pending.drain(..length).collect()
    }

    /// Reads the head of an answer; none if the connection ended instead.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        let head = String::from_utf8(self.up_to(b"\r\n\r\n").await?).expect("text");
        let (status, fields) = head.split_once("\r\n").expect("a status line");
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let fields = fields.lines().filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Head { status, fields })
    }

    /// Reads the head of a request; none if the connection ended instead.
    pub(crate) async fn request(&mut self) -> Option<String> {
        Some(String::from_utf8(self.up_to(b"\r\n\r\n").await?).expect("text"))
    }

    /// Reads one chunk of a body; an empty one is the last, with the trailers still to come.
    pub(crate) async fn read_chunk(&mut self) -> Vec<u8> {
        let size = self.up_to(b"\r\n").await.expect("a chunk");
        let size = String::from_utf8(size).expect("text");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        if size == 0 {
            return Vec::new();
        }
        let chunk = self.bytes(size).await;
        self.bytes(2).await;
        chunk
    }

    /// Reads a whole answer: its status, and its body as text with any trailers behind it.
    pub(crate) async fn answer(&mut self) -> (u16, String) {
        let head = self.head().await.expect("an answer");
        let mut body = Vec::new();
        if let Some(length) = head.field("content-length") {
            body = self.bytes(length.parse().expect("a length")).await;
        } else if head.field("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.read_chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
            loop {
                let line = self.up_to(b"\r\n").await.expect("an end");
                if line == b"\r\n" {
                    break;
                }
                body.extend(line);
            }
        } else {
            // RFC 9112, section 6.3: without a length the end of the connection ends it.
            while self.more().await {}
            body.append(&mut self.pending);
        }
        (head.status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Reads until the host ends the connection.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        while self.more().await {}
        self.pending
    }

    /// Waits until the host ends the connection; what it sent before does not matter.
    pub(crate) async fn ended(mut self) {
        while self.more().await {
            self.pending.clear();
        }
    }
}
