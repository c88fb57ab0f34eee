//! Who may do what with an escrow.
//!
//! | | while it waits | while it is disputed |
//! |---|---|---|
//! | the payer | releases, disputes | releases |
//! | the payee | refunds, disputes, releases with the preimage | refunds, releases with the preimage |
//! | the arbiter | | releases, refunds |
//! | the approvers, if enough agree | release | release, refund |

use super::settle::{expire, fund, settle};
use super::state::{Act, Escrow, EscrowInfo, State, load};
use super::terms::{self, Approver, Terms};
use super::votes::{self, Decision};
use crate::Error;
use crate::authority::require_owner;
use crate::orders;
use crate::reference::{Owner, escrow_id, parse_id};
use crate::transfers::require_known_receiver;
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_storage::{Kv, Machines};

/// What a dispute says, for which an operator's assertion is where there is no HTTP: it is about all that waits.
pub const DISPUTE_BODY: &str = "{}";

/// What is done with milestones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// The number of the milestone; all that wait if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milestone: Option<usize>,
    /// The 32 bytes that the condition asks for, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Actor {
    /// A traveller or an operator.
    Caller(Caller),
    /// Who has an approver's key, by the key's thumbprint.
    Key(String),
}

/// What somebody is to an escrow.
#[derive(Debug, Clone, Copy, Default)]
struct Roles {
    is_payer: bool,
    is_payee: bool,
    /// Which of those who decide.
    judge: Option<usize>,
}

/// Funds an escrow with the caller's money, and says whether it had been funded before.
pub async fn create<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    mut wanted: Terms,
) -> Result<(EscrowInfo, bool), Error> {
    let key = wanted.idempotency_key.take().ok_or(Error::IdempotencyKeyMissing)?;
    orders::require_key(&key)?;
    let id = escrow_id(caller, &key)?;
    wanted.payer = wanted.payer.or_else(|| Owner::own(caller).map(|owner| owner.to_string()));
    let payer = wanted.payer.as_deref().ok_or_else(|| Error::Invalid("payer is missing".to_owned()))?;
    require_owner(store, caller, &payer.parse()?).await?;
    wanted.check()?;
    terms::Accounts::of(id, &wanted)?;
    // Who is named may have gone since the first time: a repeat still gets its answer.
    if terms::stored(store, id).await?.is_none() {
        for owner in wanted.others() {
            require_known_receiver(store, &owner.parse()?).await?;
        }
    }
    terms::keep(store, id, &wanted).await?;
    let funded = fund(store, id, &wanted).await?;
    let escrow = expire(store, load(store, id).await?, environment.now).await?;
    Ok((escrow.info(store).await?, funded.repeated))
}

/// Reads an escrow. Only those whom its terms name may.
pub async fn get<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
) -> Result<EscrowInfo, Error> {
    if *caller == Caller::Nobody {
        return Err(Problem::unauthorised("sign in, or send an operator's assertion").into());
    }
    let (escrow, _) = seen(store, environment, &Actor::Caller(caller.clone()), id).await?;
    escrow.info(store).await
}

/// Moves what waits out of the reach of both parties, until it is decided whose it is.
pub async fn dispute<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
) -> Result<EscrowInfo, Error> {
    let (escrow, roles) = seen(store, environment, &Actor::Caller(caller.clone()), id).await?;
    if !(roles.is_payer || roles.is_payee) {
        return Err(Error::Forbidden("only the payer and the payee dispute an escrow".to_owned()));
    }
    let (judges, _) = escrow.terms.judges();
    if judges.is_empty() {
        return Err(Error::Forbidden("nobody decides what is disputed in this escrow".to_owned()));
    }
    let open: Vec<usize> = numbers(&escrow, |state| state == State::Funded);
    let escrow = settle(store, escrow, &open, Act::Dispute).await?;
    if numbers(&escrow, |state| state == State::Disputed).is_empty() {
        return Err(Error::EscrowSettled("nothing waits that could be disputed"));
    }
    escrow.info(store).await
}

/// Releases milestones to the payee or back to the payer, or votes for it.
pub async fn decide<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    actor: &Actor,
    id: &str,
    decision: Decision,
    choice: &Choice,
) -> Result<EscrowInfo, Error> {
    let (escrow, roles) = seen(store, environment, actor, id).await?;
    let claims = claims(&escrow, roles, decision, choice)?;
    let chosen = chosen(&escrow, decision, choice.milestone)?;
    let (mut agreed, mut may) = (Vec::new(), false);
    for number in chosen.iter().copied() {
        let milestone = escrow.milestones.get(number).ok_or_else(Problem::internal)?;
        if milestone.waits() && milestone.due <= environment.now {
            return Err(Error::EscrowSettled("the escrow has expired"));
        }
        if claims || gives_away(roles, decision) {
            may = true;
            agreed.push(number);
        } else if let Some(judge) = roles.judge.filter(|_| judges_now(&escrow, decision, milestone.state)) {
            may = true;
            if votes::cast(store, &escrow, number, judge, decision).await? {
                agreed.push(number);
            }
        } else if roles.judge.is_some() && milestone.state == decision.state() {
            // Enough had agreed before: a repeat of a vote finds what it was for.
            may = true;
        }
    }
    if !may {
        return Err(refusal(&escrow, roles, decision, &chosen));
    }
    if let Some(preimage) = choice.preimage.as_deref().filter(|_| claims) {
        votes::keep_preimage(store, escrow.id, preimage).await?;
    }
    let escrow = settle(store, escrow, &agreed, decision.act()).await?;
    let is_done = |number: &usize| {
        escrow.milestones.get(*number).is_some_and(|milestone| milestone.state == decision.state())
    };
    if !agreed.iter().all(is_done) {
        return Err(Error::EscrowSettled("somebody else has decided otherwise about this milestone"));
    }
    escrow.info(store).await
}

/// Whether a party gives away what is its own.
fn gives_away(roles: Roles, decision: Decision) -> bool {
    match decision {
        Decision::Release => roles.is_payer,
        Decision::Refund => roles.is_payee,
    }
}

/// Whether the payee takes what the preimage gives it a right to. A wrong one is refused.
fn claims(escrow: &Escrow, roles: Roles, decision: Decision, choice: &Choice) -> Result<bool, Error> {
    let is_payees = decision == Decision::Release && roles.is_payee;
    if choice.preimage.is_some() && !is_payees {
        return Err(Error::Invalid("only who is paid shows a preimage, to release".to_owned()));
    }
    if !is_payees || escrow.terms.condition.is_none() && choice.preimage.is_none() {
        return Ok(false);
    }
    escrow.terms.require_preimage(choice.preimage.as_deref()).map(|()| true)
}

/// Whether those who decide may decide this about a milestone as it is now.
fn judges_now(escrow: &Escrow, decision: Decision, state: State) -> bool {
    match state {
        State::Disputed => true,
        State::Funded => decision == Decision::Release && escrow.terms.arbiter.is_none(),
        State::Released | State::Refunded | State::Expired => false,
    }
}

fn refusal(escrow: &Escrow, roles: Roles, decision: Decision, chosen: &[usize]) -> Error {
    let is_settled = |number: &usize| escrow.milestones.get(*number).is_some_and(|one| !one.waits());
    if roles.judge.is_some() && chosen.iter().all(is_settled) {
        return Error::EscrowSettled("somebody else has decided otherwise about this milestone");
    }
    Error::Forbidden(match decision {
        Decision::Release => "only the payer, or who decides, releases to the payee".to_owned(),
        Decision::Refund => "only the payee, or who decides in a dispute, gives back to the payer".to_owned(),
    })
}

/// Which milestones are meant, by place.
fn chosen(escrow: &Escrow, decision: Decision, milestone: Option<usize>) -> Result<Vec<usize>, Error> {
    match milestone {
        Some(number) if (1..=escrow.milestones.len()).contains(&number) => Ok(vec![number - 1]),
        Some(_) => Err(Error::Invalid("the escrow has no milestone of this number".to_owned())),
        None => {
            let waiting = numbers(escrow, |state| matches!(state, State::Funded | State::Disputed));
            if !waiting.is_empty() {
                return Ok(waiting);
            }
            // A repeat finds nothing that waits, and what it did.
            let done = numbers(escrow, |state| state == decision.state());
            if done.is_empty() { Err(Error::EscrowSettled("nothing waits any more")) } else { Ok(done) }
        }
    }
}

fn numbers(escrow: &Escrow, is_wanted: impl Fn(State) -> bool) -> Vec<usize> {
    let all = (0..).zip(&escrow.milestones);
    all.filter(|(_, milestone)| is_wanted(milestone.state)).map(|(number, _)| number).collect()
}

/// An escrow after what was due has gone back, and what the actor is to it: something.
async fn seen<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    actor: &Actor,
    id: &str,
) -> Result<(Escrow, Roles), Error> {
    let escrow = load(store, parse_id(id)?).await?;
    let roles = roles(store, actor, &escrow.terms).await?;
    if !(roles.is_payer || roles.is_payee || roles.judge.is_some()) {
        return Err(Error::Forbidden("the escrow's terms do not name the caller".to_owned()));
    }
    Ok((expire(store, escrow, environment.now).await?, roles))
}

async fn roles(store: &impl Kv, actor: &Actor, terms: &Terms) -> Result<Roles, Error> {
    let (judges, _) = terms.judges();
    let mut roles = Roles::default();
    for (place, judge) in judges.iter().enumerate() {
        let is_judge = match (actor, judge) {
            (Actor::Key(thumbprint), Approver::Key(key)) => key.thumbprint() == *thumbprint,
            (Actor::Caller(caller), Approver::Owner(owner)) => owns(store, caller, owner).await?,
            _ => false,
        };
        if is_judge && roles.judge.is_none() {
            roles.judge = Some(place);
        }
    }
    if let Actor::Caller(caller) = actor {
        roles.is_payer = owns(store, caller, terms.payer.as_deref().unwrap_or_default()).await?;
        roles.is_payee = owns(store, caller, &terms.payee).await?;
    }
    Ok(roles)
}

async fn owns(store: &impl Kv, caller: &Caller, owner: &str) -> Result<bool, Error> {
    let owner: Owner = owner.parse()?;
    match require_owner(store, caller, &owner).await {
        Ok(()) => Ok(true),
        // A world that has gone has no operator, so nobody is it.
        Err(Error::Forbidden(_) | Error::UnknownWorld(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
