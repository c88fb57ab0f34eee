//! What a guest writes to its standard output and error goes to the host's log, line
//! by line, with the component's id. Lines are bounded, so a guest cannot fill memory, and the values
//! of secret variables are left out of them.

use bytes::Bytes;
use opentelemetry::trace::TraceId;
use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line, in bytes; a longer one is cut into several.
const LINE_LENGTH_MAX: usize = 8 * 1024;

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// A guest's stream of lines.
#[derive(Clone)]
pub(super) struct Lines {
    component: Arc<str>,
    is_error: bool,
    /// What must not be in the log.
    secrets: Arc<[String]>,
    pending: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    pub(super) fn new(component: String, secrets: Arc<[String]>, is_error: bool) -> Self {
        Self { component: component.into(), is_error, secrets, pending: Arc::default() }
    }

    fn take(&self, bytes: &[u8]) {
        // A poisoned lock means that another write panicked; its bytes are still good.
        let mut pending = self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for &byte in bytes {
            if byte != b'\n' {
                pending.push(byte);
            }
            if byte == b'\n' || pending.len() >= LINE_LENGTH_MAX {
                self.log(&pending);
                pending.clear();
            }
        }
    }

    fn log(&self, line: &[u8]) {
        let level = if self.is_error { Level::WARN } else { Level::INFO };
        told(&self.component, level, None, &redacted(String::from_utf8_lossy(line), &self.secrets));
    }
}

/// The line without secrets. One that a guest cuts in two or writes in another way is not found: this
/// is for what is printed by mistake.
pub(super) fn redacted<'a>(mut line: Cow<'a, str>, secrets: &[String]) -> Cow<'a, str> {
    for secret in secrets {
        if line.contains(secret.as_str()) {
            line = Cow::Owned(line.replace(secret.as_str(), REDACTED));
        }
    }
    line
}

/// A record that a guest made itself, of the trace that its request is part of; line by line.
pub(super) fn record(component: &str, secrets: &[String], level: Level, trace: Option<TraceId>, text: &str) {
    for line in text.lines() {
        let line = redacted(Cow::Borrowed(line), secrets);
        told(component, level, trace, &line[..line.floor_char_boundary(LINE_LENGTH_MAX)]);
    }
}

fn told(component: &str, level: Level, trace: Option<TraceId>, line: &str) {
    let trace_id = trace.map(tracing::field::display);
    match level {
        Level::WARN => tracing::warn!(target: "guest", component, trace_id, "{line}"),
        Level::INFO => tracing::info!(target: "guest", component, trace_id, "{line}"),
        _ => tracing::debug!(target: "guest", component, trace_id, "{line}"),
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_LENGTH_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_secret_variables_stay_out_of_a_guest_s_lines() {
        let secrets = ["the-master-key".to_owned(), "another secret".to_owned()];
        let line = |text| redacted(Cow::Borrowed(text), &secrets).into_owned();
        assert_eq!(
            line("sealed with the-master-key, the-master-key!"),
            "sealed with [redacted], [redacted]!"
        );
        assert_eq!(line("{\"token\":\"another secret\"}"), "{\"token\":\"[redacted]\"}");
        assert_eq!(line("nothing"), "nothing");
    }
}
