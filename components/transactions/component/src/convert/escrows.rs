//! What the interface `escrows` has, and what it becomes in the domain.

use super::amount;
use crate::escrows_api as api;
use vwp_transactions::Error;
use vwp_transactions::escrows::actions::Choice;
use vwp_transactions::escrows::state::{EscrowInfo, MilestoneInfo, State};
use vwp_transactions::escrows::terms::{Approver, Terms};
use vwp_transactions::escrows::votes::Tally;

impl TryFrom<api::KeyedTerms> for Terms {
    type Error = Error;

    fn try_from(keyed: api::KeyedTerms) -> Result<Self, Error> {
        let terms = keyed.terms;
        let approver = |approver| match approver {
            api::Approver::Owner(owner) => Ok(Approver::Owner(owner)),
            api::Approver::Key(jwk) => Approver::with_key(&jwk),
        };
        Ok(Self {
            idempotency_key: Some(keyed.idempotency_key),
            payer: terms.payer,
            payee: terms.payee,
            asset: terms.asset,
            milestones: terms.milestones.iter().map(|text| amount(text)).collect::<Result<_, _>>()?,
            timeout_s: terms.timeout_s,
            arbiter: terms.arbiter,
            approvers: terms.approvers.into_iter().map(approver).collect::<Result<_, _>>()?,
            approvals: terms.approvals,
            condition: terms.condition,
            memo: terms.memo,
        })
    }
}

impl From<Terms> for api::Terms {
    fn from(terms: Terms) -> Self {
        let approver = |approver| match approver {
            Approver::Owner(owner) => api::Approver::Owner(owner),
            // A key is texts, whose serialisation cannot fail.
            Approver::Key(jwk) => api::Approver::Key(serde_json::to_string(&jwk).unwrap_or_default()),
        };
        Self {
            payer: terms.payer,
            payee: terms.payee,
            asset: terms.asset,
            milestones: terms.milestones.iter().map(ToString::to_string).collect(),
            timeout_s: terms.timeout_s,
            arbiter: terms.arbiter,
            approvers: terms.approvers.into_iter().map(approver).collect(),
            approvals: terms.approvals,
            condition: terms.condition,
            memo: terms.memo,
        }
    }
}

impl From<api::Choice> for Choice {
    fn from(choice: api::Choice) -> Self {
        // What is too large for a place is the number of no milestone either.
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { milestone: choice.milestone.map(number), preimage: choice.preimage }
    }
}

impl From<State> for api::State {
    fn from(state: State) -> Self {
        match state {
            State::Funded => Self::Funded,
            State::Released => Self::Released,
            State::Disputed => Self::Disputed,
            State::Refunded => Self::Refunded,
            State::Expired => Self::Expired,
        }
    }
}

impl From<EscrowInfo> for api::Escrow {
    fn from(info: EscrowInfo) -> Self {
        Self {
            escrow_id: info.escrow_id,
            state: info.state.into(),
            amount: info.amount.to_string(),
            expires_at: info.expires_at,
            transfer_id: info.transfer_id,
            position: info.position,
            time: info.time,
            terms: info.terms.into(),
            milestones: info.milestones.into_iter().map(Into::into).collect(),
            preimage: info.preimage,
        }
    }
}

impl From<MilestoneInfo> for api::Milestone {
    fn from(milestone: MilestoneInfo) -> Self {
        Self {
            number: count(milestone.number),
            amount: milestone.amount.to_string(),
            state: milestone.state.into(),
            transfer_id: milestone.transfer_id,
            votes: milestone.votes.map(|Tally { release, refund }| api::Tally {
                release: count(release),
                refund: count(refund),
            }),
        }
    }
}

/// How many milestones or votes there are: the terms bound both.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
