//! Refusals that are about who may have a name, and speak for it.

use http::StatusCode;
use vwp_core::Problem;

/// Why an operator may not do this with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamingError {
    /// The port takes no worlds under domains of their operators.
    #[error("this port takes names in its own zone only")]
    DomainsNotTaken,
    /// The operator did not prove that the domain is its own.
    #[error("show the challenge's text in a TXT record at {txt_name}, or in a line of {url}")]
    ControlUnproven {
        /// Where the TXT record goes.
        txt_name: String,
        /// Where the file goes.
        url: String,
    },
    /// The name looks like one that another operator holds.
    #[error("the name looks like one that another operator holds (UTS 39)")]
    NameConfusable,
    /// Another port serves the name.
    #[error("the name and what is below it are served by another port, {url}")]
    NameDelegated {
        /// The other port's URL.
        url: String,
    },
    /// The record has another UUID than those before it.
    #[error("uuid must stay {registered}, with which the name was registered")]
    UuidChanged {
        /// The UUID that is registered.
        registered: String,
    },
    /// Another operator's world has the UUID.
    #[error("another operator's world has this uuid")]
    UuidTaken,
    /// The operator does not hold the name.
    #[error("another operator holds this name")]
    NotHolder,
    /// Nobody offered the name to the operator, or the offer has ended.
    #[error("the name is not offered to this operator")]
    NotOffered,
    /// The signer may not speak for the world.
    #[error("kid must be the thumbprint of the record's live_key, or the id of the name's holder")]
    NotSpeaker,
}

impl From<NamingError> for Problem {
    fn from(error: NamingError) -> Self {
        use NamingError as E;
        let detail = error.to_string();
        let (status, slug, title) = match error {
            E::DomainsNotTaken => {
                (StatusCode::FORBIDDEN, "domains-not-taken", "The port takes no domains of others")
            }
            E::ControlUnproven { .. } => {
                (StatusCode::FORBIDDEN, "control-unproven", "Control of the domain is not proved")
            }
            E::NameConfusable => {
                (StatusCode::CONFLICT, "name-confusable", "The name looks like another operator's")
            }
            E::NameDelegated { .. } => {
                (StatusCode::CONFLICT, "name-delegated", "Another port serves the name")
            }
            E::UuidChanged { .. } => (StatusCode::CONFLICT, "uuid-changed", "The world has another id"),
            E::UuidTaken => (StatusCode::CONFLICT, "uuid-taken", "The id is taken"),
            E::NotHolder => (StatusCode::FORBIDDEN, "not-holder", "The operator does not hold the name"),
            E::NotOffered => {
                (StatusCode::FORBIDDEN, "not-offered", "The name is not offered to the operator")
            }
            E::NotSpeaker => {
                (StatusCode::FORBIDDEN, "not-speaker", "The signer does not speak for the world")
            }
        };
        Self::new(status, slug, title, detail)
    }
}
