//! The chain of transfers that fills a quote, and what has become of it.

use super::terms::{Price, Terms};
use crate::codes;
use crate::ledger::{self, Attempt, require_created};
use crate::orders::Party;
use crate::reference::{Owner, account_id, asset_name, id_text, memo, require_same_asset};
use crate::{Error, amount::Amount};
use serde::Serialize;
use vwp_core::Problem;
use vwp_core::digest::digest;
use vwp_ledger::codec::{Answer, Flags, Opening, Outcome, Transfer};
use vwp_storage::Machines;

/// A fill that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FillInfo {
    /// The quote that was accepted.
    pub quote_id: String,
    /// Who accepted it.
    pub payer: String,
    /// What was paid, in minor units of what the quote takes; the fee is a part of it.
    pub paid: Amount,
    /// The fee.
    pub fee: Amount,
    /// What the payer got, in minor units of what the quote gives.
    pub received: Amount,
    /// What went to the provider's rounding account: 0 or 1.
    pub rounding: Amount,
    /// The chain's position in the ledger's log.
    pub position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The transfers, in their order.
    pub transfers: Vec<LegInfo>,
}

/// A transfer of a fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegInfo {
    /// The transfer's id.
    pub transfer_id: String,
    /// The account that was debited.
    pub from: String,
    /// The account that was credited.
    pub to: String,
    /// What was moved.
    pub asset: String,
    /// How much, in minor units.
    pub amount: Amount,
}

/// A transfer of the chain, by names.
struct Move {
    /// What it is for: a code of the port's.
    code: u16,
    from: Party,
    to: Party,
    amount: u128,
}

/// What fills a quote.
pub(crate) struct Fill {
    quote: u128,
    pub(crate) id: u128,
    payer: String,
    price: Price,
    moves: Vec<Move>,
}

/// The id of a quote's only fill, or of a standing one's for a payer's key.
pub(crate) fn fill_id(quote: u128, key: Option<(&str, &str)>) -> u128 {
    match key {
        Some((payer, key)) => digest("vwp-standing-fill-v1", &[&id_text(quote), payer, key]),
        None => digest("vwp-fill-v1", &[&id_text(quote)]),
    }
}

fn leg_id(fill: u128, refusals: u32, number: usize) -> u128 {
    digest("vwp-fill-leg-v1", &[&id_text(fill), &refusals.to_string(), &number.to_string()])
}

/// How far a fill has come, as the ledger says. Every attempt has a first transfer, and the ledger records
/// all of a chain or nothing.
pub(crate) async fn progress(store: &impl Machines, fill: u128) -> Result<Attempt, Error> {
    let attempt = ledger::attempt(store, |refusals| leg_id(fill, refusals, 0)).await?;
    attempt.ok_or_else(|| Problem::unavailable("the ledger refused too often to fill this quote").into())
}

impl Fill {
    /// What fills a quote for a payer.
    pub(crate) fn new(
        quote: u128,
        id: u128,
        terms: &Terms,
        payer: &Owner,
        amount: Amount,
    ) -> Result<Self, Error> {
        let price = terms.price(amount)?;
        let world = terms.world()?;
        let party = |owner: Owner, asset: &str| {
            let asset = asset_name(asset)?;
            require_same_asset(&owner, &asset)?;
            let id = account_id(&owner, &asset);
            Ok::<_, Error>(Party { owner, asset, id })
        };
        let liquidity = || Owner::Liquidity(world.clone());
        let a_move = |code, from: Owner, to: Owner, asset: &str, amount| {
            Ok::<_, Error>(Move { code, from: party(from, asset)?, to: party(to, asset)?, amount })
        };
        // The first one names the payer and all that is paid, so that it tells one acceptance from another.
        let mut moves =
            vec![a_move(codes::EXCHANGE_PAY, payer.clone(), liquidity(), &terms.takes, price.paid)?];
        let shares = terms.fee.iter().flat_map(|fee| &fee.shares);
        for (share, part) in shares.zip(&price.fees) {
            moves.push(a_move(codes::EXCHANGE_FEE, liquidity(), share.to.parse()?, &terms.takes, *part)?);
        }
        moves.push(a_move(codes::EXCHANGE_GIVE, liquidity(), payer.clone(), &terms.gives, price.received)?);
        let rounding = Owner::Rounding(world.clone());
        moves.push(a_move(codes::EXCHANGE_ROUND, liquidity(), rounding, &terms.gives, price.rounding)?);
        moves.retain(|one| one.amount != 0);
        Ok(Self { quote, id, payer: payer.to_string(), price, moves })
    }

    fn transfers(&self, refusals: u32) -> Vec<Transfer> {
        let last = self.moves.len().saturating_sub(1);
        let made = self.moves.iter().enumerate().map(|(number, one)| {
            let flags = if number == last { Flags::NONE } else { Flags::LINKED };
            let id = leg_id(self.id, refusals, number);
            let transfer = Transfer::plain(id, one.from.id, one.to.id, one.amount);
            Transfer { flags, code: one.code, memo: memo(&id_text(self.quote)), ..transfer }
        });
        made.collect()
    }

    /// What was made, if it was made for this payer and this amount.
    pub(crate) fn answered(&self, progress: &Attempt) -> Option<FillInfo> {
        let transfers = self.transfers(progress.refusals);
        let made = progress.made.as_ref()?;
        let is_this = transfers.first().is_some_and(|first| first.fingerprint() == made.fingerprint);
        is_this.then(|| self.info(&transfers, &made.answer))
    }

    fn info(&self, transfers: &[Transfer], answer: &Answer) -> FillInfo {
        let legs = self.moves.iter().zip(transfers).map(|(one, transfer)| LegInfo {
            transfer_id: id_text(transfer.id),
            from: one.from.owner.to_string(),
            to: one.to.owner.to_string(),
            asset: one.from.asset.to_string(),
            amount: Amount(one.amount),
        });
        FillInfo {
            quote_id: id_text(self.quote),
            payer: self.payer.clone(),
            paid: Amount(self.price.paid),
            fee: Amount(self.price.fee),
            received: Amount(self.price.received),
            rounding: Amount(self.price.rounding),
            position: answer.position,
            time: answer.time,
            transfers: legs.collect(),
        }
    }

    /// Has the ledger carry out the chain, and says how far the fill has come then, because another acceptance
    /// may have been first; and whether this one had been carried out before. What the ledger would refuse is
    /// refused before it is recorded, so that who cannot pay uses nothing up.
    pub(crate) async fn make(
        &self,
        store: &impl Machines,
        progress: &Attempt,
    ) -> Result<(Attempt, bool), Error> {
        let transfers = self.transfers(progress.refusals);
        let mut openings: Vec<Opening> = Vec::new();
        for one in &self.moves {
            openings.extend(one.to.opening()?);
        }
        self.require_possible(&ledger::try_transfers(store, &openings, &transfers).await?)?;
        match ledger::create_transfers(store, &openings, &transfers).await {
            Ok(answers) => {
                self.require_possible(&answers)?;
                let repeated = answers.first().is_some_and(|first| first.repeated);
                Ok((self::progress(store, self.id).await?, repeated))
            }
            Err(Error::OutcomeUnknown) => {
                let now = self::progress(store, self.id).await.map_err(|_| Error::OutcomeUnknown)?;
                if now.made.is_some() { Ok((now, false)) } else { Err(Error::OutcomeUnknown) }
            }
            Err(error) => Err(error),
        }
    }

    /// Requires that the ledger carries out the chain, or another one under its ids.
    fn require_possible(&self, answers: &[Answer]) -> Result<(), Error> {
        for (one, answer) in self.moves.iter().zip(answers) {
            match answer.outcome {
                // Of a chain that is refused another one says why.
                Outcome::Created | Outcome::LinkedFailed => {}
                // Another acceptance has this attempt; what became of it is looked up.
                Outcome::IdReused => return Ok(()),
                Outcome::ExceedsBalance if one.code != codes::EXCHANGE_PAY => {
                    return Err(Error::LiquidityExhausted);
                }
                _ => return require_created(answer, &one.from.asset.to_string()),
            }
        }
        Ok(())
    }
}
