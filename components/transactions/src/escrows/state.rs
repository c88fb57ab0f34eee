//! What has become of an escrow: of each of its milestones, as the ledger says.

use super::terms::{self, Accounts, Terms};
use super::votes::{self, Tally};
use crate::amount::Amount;
use crate::reference::id_text;
use crate::{Error, codes, ledger};
use serde::Serialize;
use vwp_core::Problem;
use vwp_core::digest::digest;
use vwp_ledger::codec::Answer;
use vwp_storage::{Kv, Machines};

/// What a transfer does with a milestone. The ledger keeps it as the transfer's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Fund,
    Release,
    Refund,
    Dispute,
    Expire,
}

impl Act {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Fund => codes::ESCROW_FUND,
            Self::Release => codes::ESCROW_RELEASE,
            Self::Refund => codes::ESCROW_REFUND,
            Self::Dispute => codes::ESCROW_DISPUTE,
            Self::Expire => codes::ESCROW_EXPIRE,
        }
    }

    pub(crate) fn of_code(code: u16) -> Option<Self> {
        let all = [Self::Fund, Self::Release, Self::Refund, Self::Dispute, Self::Expire];
        all.into_iter().find(|act| act.code() == code)
    }
}

/// What has become of a milestone, or of an escrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The money waits.
    Funded,
    /// The payee has it.
    Released,
    /// It waits for who decides.
    Disputed,
    /// The payer has it again, because somebody decided so.
    Refunded,
    /// The payer has it again, because nobody decided in time.
    Expired,
}

/// A milestone.
#[derive(Debug, Clone)]
pub(crate) struct Milestone {
    pub(crate) amount: u128,
    pub(crate) state: State,
    /// The last transfer that moved it; none if it waits since the beginning.
    pub(crate) moved_by: Option<u128>,
    /// The id of the transfer that moves it next.
    pub(crate) next: u128,
    /// When it goes back to the payer, in milliseconds since the Unix epoch.
    pub(crate) due: u64,
}

impl Milestone {
    /// Whether nobody has it yet.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.state, State::Funded | State::Disputed)
    }
}

/// An escrow that was funded.
#[derive(Debug)]
pub(crate) struct Escrow {
    pub(crate) id: u128,
    pub(crate) terms: Terms,
    pub(crate) accounts: Accounts,
    /// What the ledger answered to who funded it.
    pub(crate) funded: Answer,
    pub(crate) milestones: Vec<Milestone>,
}

/// An escrow as its parties see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EscrowInfo {
    /// The escrow's id: 32 hexadecimal digits.
    pub escrow_id: String,
    /// What has become of it.
    pub state: State,
    /// How much all milestones are worth, in minor units.
    pub amount: Amount,
    /// When what waits goes back to the payer, in milliseconds since the Unix epoch; none if nothing waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The transfer that funded it.
    pub transfer_id: String,
    /// That one's position in the ledger's log.
    pub position: u64,
    /// When it was funded, in milliseconds since the Unix epoch.
    pub time: u64,
    /// What was agreed on; its milestones are below.
    pub terms: Terms,
    /// What has become of each milestone.
    pub milestones: Vec<MilestoneInfo>,
    /// The preimage that the payee showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
}

/// A milestone as the parties see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MilestoneInfo {
    /// Its number; the first one has 1.
    pub number: usize,
    /// How much it is worth, in minor units.
    pub amount: Amount,
    /// What has become of it.
    pub state: State,
    /// The last transfer that moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<String>,
    /// What was decided so far by those who decide, while it waits for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<Tally>,
}

/// The id of the transfer that funds an escrow.
pub(crate) fn funding_id(escrow: u128) -> u128 {
    digest("vwp-escrow-funding-v1", &[&id_text(escrow)])
}

/// The id of the transfer by which a milestone leaves an account of the escrow's, whoever it goes to.
fn leaving_id(escrow: u128, number: usize, state: State, refusals: u32) -> u128 {
    let account = if state == State::Disputed { "disputed" } else { "held" };
    let parts = [&id_text(escrow), account, &number.to_string(), &refusals.to_string()];
    digest("vwp-escrow-leaving-v1", &parts.map(|part| part as &str))
}

/// An escrow as it is now.
pub(crate) async fn load<S: Kv + Machines>(store: &S, id: u128) -> Result<Escrow, Error> {
    let terms = terms::stored(store, id).await?.ok_or(Error::UnknownEscrow)?;
    let funding = ledger::transfer(store, funding_id(id)).await?.ok_or(Error::UnknownEscrow)?;
    ledger::require_created(&funding.answer, &terms.asset)?;
    let mut milestones = Vec::with_capacity(terms.milestones.len());
    for (number, amount) in terms.milestones.iter().enumerate() {
        milestones.push(milestone(store, (id, number), amount.0, &terms, funding.answer.time).await?);
    }
    Ok(Escrow { id, accounts: Accounts::of(id, &terms)?, terms, funded: funding.answer, milestones })
}

async fn milestone(
    store: &impl Machines,
    (escrow, number): (u128, usize),
    amount: u128,
    terms: &Terms,
    since: u64,
) -> Result<Milestone, Error> {
    let due = |since: u64| since.saturating_add(u64::from(terms.timeout_s) * 1000);
    let mut found = Milestone { amount, state: State::Funded, moved_by: None, next: 0, due: due(since) };
    while found.waits() {
        let id = |refusals| leaving_id(escrow, number, found.state, refusals);
        let Some(attempt) = ledger::attempt(store, id).await? else {
            return Err(Problem::unavailable("the ledger refused too often to move a milestone").into());
        };
        found.next = attempt.id;
        let Some(view) = attempt.made else { return Ok(found) };
        found.moved_by = Some(view.id);
        found.state = match Act::of_code(view.code) {
            Some(Act::Release) => State::Released,
            Some(Act::Refund) => State::Refunded,
            Some(Act::Expire) => State::Expired,
            Some(Act::Dispute) => State::Disputed,
            Some(Act::Fund) | None => return Err(Problem::internal().into()),
        };
        found.due = due(view.answer.time);
    }
    Ok(found)
}

impl Escrow {
    /// What has become of it as a whole: what waits comes first, then what the payee has.
    fn state(&self) -> State {
        let order = [State::Disputed, State::Funded, State::Released, State::Expired];
        let has = |state: &State| self.milestones.iter().any(|milestone| milestone.state == *state);
        order.into_iter().find(has).unwrap_or(State::Refunded)
    }

    /// As its parties see it.
    pub(crate) async fn info(&self, store: &impl Kv) -> Result<EscrowInfo, Error> {
        let mut milestones = Vec::with_capacity(self.milestones.len());
        for (number, milestone) in self.milestones.iter().enumerate() {
            let votes = if milestone.waits() { votes::tally(store, self, number).await? } else { None };
            milestones.push(MilestoneInfo {
                number: number + 1,
                amount: Amount(milestone.amount),
                state: milestone.state,
                transfer_id: milestone.moved_by.map(id_text),
                votes,
            });
        }
        let waiting = self.milestones.iter().filter(|milestone| milestone.waits());
        Ok(EscrowInfo {
            escrow_id: id_text(self.id),
            state: self.state(),
            amount: Amount(self.terms.total()?),
            expires_at: waiting.map(|milestone| milestone.due).min(),
            transfer_id: id_text(funding_id(self.id)),
            position: self.funded.position,
            time: self.funded.time,
            terms: self.terms.clone(),
            milestones,
            preimage: votes::preimage(store, self.id).await?,
        })
    }
}
