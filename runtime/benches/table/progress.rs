//! What is being done, on standard error, so that nobody thinks it hangs.

use std::io::{IsTerminal, Write};

/// A line on a terminal; a log elsewhere.
pub(crate) struct Progress {
    is_terminal: bool,
}

impl Progress {
    /// Progress on standard error.
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal() }
    }

    /// Says what is being done now.
    pub(crate) fn say(&self, what: &str) {
        let mut stderr = std::io::stderr().lock();
        // Nobody reads it if it cannot be written.
        let _ = if self.is_terminal { write!(stderr, "\r\x1b[K{what}") } else { writeln!(stderr, "{what}") };
        let _ = stderr.flush();
    }

    /// Makes room for the table.
    pub(crate) fn clear(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
