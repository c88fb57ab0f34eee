//! Exit statuses: what a script may conclude from a command's end.

use crate::port::PortError;
use ureq::http::StatusCode;

/// The port refused, or the command failed for a reason of its own.
pub const FAILED: u8 = 1;
/// There is no such thing.
pub const NOT_FOUND: u8 = 3;
/// The port cannot be reached, or is busy: nothing was changed, and the same command may
/// succeed later.
pub const TRY_AGAIN: u8 = 4;
/// It is not known whether the change was made.
pub const UNKNOWN: u8 = 5;
/// What was compared differs: a log or a state from what it has to be, or two sides from each other.
pub const DIFFERS: u8 = 6;

/// The statuses, for the end of a help text. Status 2 is clap's.
pub const HELP: &str = "Exit status:
  0  done
  1  refused, or failed
  2  the command line is wrong
  3  there is no such thing
  4  the port cannot be reached or is busy: nothing was changed, try again
  5  it is not known whether the change was made: look before you repeat it
  6  an audit, or a comparison, found a difference";

/// An error that is no port's refusal, with the exit status that it deserves.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Exit {
    status: u8,
    text: String,
}

impl Exit {
    /// There is no such thing.
    pub fn not_found(text: String) -> Self {
        Self { status: NOT_FOUND, text }
    }

    /// Nothing was changed, and the same command may succeed later.
    pub fn try_again(text: String) -> Self {
        Self { status: TRY_AGAIN, text }
    }

    /// What was compared differs.
    pub fn differs(text: String) -> Self {
        Self { status: DIFFERS, text }
    }
}

/// The exit status that an error of [`crate::run`] deserves.
pub fn code(error: &anyhow::Error) -> u8 {
    if let Some(exit) = error.chain().find_map(|cause| cause.downcast_ref::<Exit>()) {
        return exit.status;
    }
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<PortError>());
    match cause {
        Some(PortError::NoAnswer { .. }) => TRY_AGAIN,
        Some(PortError::Unknown { .. }) => UNKNOWN,
        Some(PortError::Refused(refusal)) if refusal.slug == "outcome-unknown" => UNKNOWN,
        Some(PortError::Refused(refusal)) => match refusal.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => NOT_FOUND,
            _ if refusal.is_busy() => TRY_AGAIN,
            _ => FAILED,
        },
        Some(PortError::NotAPort { .. }) | None => FAILED,
    }
}
