//! One request over a socket of its own, whose content is sent in parts, and whose answer is read while it
//! comes: what no client of a library shows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long something that is bound to come may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request that is being sent, and its answer.
#[derive(Debug)]
pub struct Exchange {
    to: TcpStream,
    from: BufReader<TcpStream>,
    head: Option<Vec<String>>,
}

impl Exchange {
    /// Sends the head of a request whose content has no declared length.
    pub fn begin(url: &str, method: &str, path: &str, fields: &[&str]) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut to = TcpStream::connect(address).expect("it is served");
        to.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let from = BufReader::new(to.try_clone().expect("a socket"));
        let fields = fields.join("\r\n");
        write!(
            to,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n{fields}\r\n\r\n"
        )
        .expect("the head is sent");
        Self { to, from, head: None }
    }

    /// Sends a part of the content.
    pub fn send(&mut self, part: &[u8]) {
        let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
        self.to.write_all(&chunk).expect("a part is sent");
    }

    /// Ends the content.
    pub fn end(&mut self) {
        self.to.write_all(b"0\r\n\r\n").expect("the end is sent");
    }

    /// The next part of the answer's content; none at its end. The answer is in chunks, because nobody
    /// knows its length.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        self.head();
        let line = self.line();
        let length = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk: {line:?}"));
        let mut part = vec![0; length];
        self.from.read_exact(&mut part).expect("a part comes");
        assert_eq!(self.line(), "", "a chunk ends");
        (length > 0).then_some(part)
    }

    /// A field of the answer.
    pub fn header(&mut self, name: &str) -> String {
        let fields = self.head().iter().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    }

    fn head(&mut self) -> &[String] {
        if self.head.is_none() {
            let lines = std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty()));
            let lines: Vec<String> = lines.collect();
            assert!(
                lines.iter().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked")),
                "{lines:?}"
            );
            self.head = Some(lines);
        }
        self.head.as_deref().unwrap_or_default()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("a line comes");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }
}
