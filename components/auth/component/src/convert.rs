//! The types of `vwp-auth` as the interfaces have them.

use crate::types;
use vwp_auth::tickets::TicketError;
use vwp_auth::{AuthError, passports, sessions, verify};
use vwp_core::Problem;
use vwp_verifier::ticket;

impl From<verify::Passport> for types::Passport {
    fn from(passport: verify::Passport) -> Self {
        Self {
            traveller: passport.traveller,
            handle: passport.handle,
            subject: passport.subject,
            holder: passport.holder,
            status: passport
                .status
                .map(|status| types::StatusReference { uri: status.uri, index: status.index }),
            presentation: passport.presentation,
            expires_at: passport.expires_at_s.saturating_mul(1000),
            claims: serde_json::Value::Object(passport.claims).to_string(),
        }
    }
}

impl From<ticket::Ticket> for types::Ticket {
    fn from(ticket: ticket::Ticket) -> Self {
        Self {
            subject: ticket.subject,
            id: ticket.id,
            origin: ticket.origin,
            entry_point: ticket.entry_point,
            claims: serde_json::Value::Object(ticket.claims).to_string(),
            holder: ticket.holder,
            expires_at: ticket.expires_at_s.saturating_mul(1000),
        }
    }
}

impl From<TicketError> for types::TicketRefusal {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::WorldNotFound => Self::WorldNotFound,
            TicketError::WorldClosed => Self::WorldClosed,
            TicketError::WorldFull => Self::WorldFull,
            TicketError::Unauthorised(unproven) => Self::Unauthorised(types::Refusal {
                reason: unproven.slug().into(),
                detail: unproven.to_string(),
            }),
            TicketError::Banned(notice) => Self::Banned(types::BanNotice {
                reason: notice.reason,
                until: notice.until,
                appeal: notice.appeal,
            }),
            TicketError::Throttled { retry_after_s } => Self::Throttled(retry_after_s),
            TicketError::TicketSpent => Self::TicketSpent,
            TicketError::ProtocolMismatch => Self::ProtocolMismatch,
        }
    }
}

impl From<verify::PresentationError> for types::Refusal {
    fn from(error: verify::PresentationError) -> Self {
        Self { reason: error.slug().into(), detail: error.to_string() }
    }
}

impl From<sessions::Notice> for types::Notice {
    fn from(notice: sessions::Notice) -> Self {
        match notice {
            sessions::Notice::RecoveryPending { requested_at, ready_at } => {
                Self::RecoveryPending(types::Recovery { requested_at, ready_at })
            }
            sessions::Notice::RecoveryCodeUsed { left } => {
                Self::RecoveryCodeUsed(u32::try_from(left).unwrap_or(u32::MAX))
            }
            sessions::Notice::AddPasskey => Self::AddPasskey,
            sessions::Notice::PasskeyCounterRegressed { passkey, .. } => {
                Self::PasskeyCounterRegressed(passkey)
            }
        }
    }
}

impl From<AuthError> for types::Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::HandleTaken => Self::HandleTaken,
            AuthError::TooManyAttempts { retry_after_s }
            | AuthError::Passport(passports::PassportError::Throttled { retry_after_s })
            | AuthError::Ticket(TicketError::Throttled { retry_after_s }) => Self::Throttled(retry_after_s),
            AuthError::Throttled(standing) => {
                Self::Throttled(u32::try_from(standing.wait_ms.div_ceil(1000)).unwrap_or(u32::MAX))
            }
            error => {
                let problem = Problem::from(error);
                let refusal = types::Refusal { reason: problem.slug.into(), detail: problem.detail.clone() };
                match problem.status.as_u16() {
                    401 => Self::Unauthorised(refusal),
                    503 if problem.slug == "outcome-unknown" => Self::Unknown(problem.detail),
                    503 => Self::Unavailable(problem.detail),
                    500.. => Self::Internal,
                    _ => Self::Refused(refusal),
                }
            }
        }
    }
}
