//! What a traveller may ask for: everything that the port keeps of them (Regulation (EU) 2016/679,
//! articles 15 and 20), and that nothing of it is kept any more (article 17).
//!
//! - [`places`]: the list of everything that is kept. Whoever keeps more adds a line there, and it
//!   is exported and erased.
//! - [`export`]: all of it, as JSON.
//! - [`erase`]: the end of it.
//! - [`quarantine`]: handles that nobody may take for a while, because they were somebody's.
//!
//! What stays is what others need: the ledger's accounts, whose entries are a matter of two, and
//! the log of what happened, both under the traveller's id. It was random from the beginning, and
//! after an erasure nothing is left that leads from it to a person or back.

pub mod erase;
pub mod export;
pub(crate) mod http;
pub mod places;
pub mod quarantine;
