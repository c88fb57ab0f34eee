//! The refusals that several operations share.

use crate::operation::Refusal;

/// There is nothing under the name, number or id in the path.
pub const MISSING: &[Refusal] = &[(404, "not-found")];

/// The path is malformed.
pub const MALFORMED: &[Refusal] = &[(400, "bad-request")];
