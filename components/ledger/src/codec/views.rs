//! What queries find.

use super::query::{
    ACCOUNT, ASSET, ASSET_TOTALS, BALANCE, HISTORY, PLACE, RULES, TOTALS, TRANSFER, VELOCITY,
};
use super::wire::Header;
use super::{
    ASSET_LENGTH, AccountFlags, Answer, Asset, HEADER_LENGTH, Kind, Malformed, Reader, Rule, Writer,
};
use alloc::vec::Vec;

/// An asset and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetView {
    /// The asset as it was created.
    pub asset: Asset,
    /// How much is in circulation: what the accounts whose normal balance is a debit owe, of which the
    /// issuance account is one. The others hold as much.
    pub supply: u128,
    /// The position in the log of the command that created it.
    pub position: u64,
    /// The time of that command.
    pub time: u64,
}

/// An account, and everything that counts together in its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountView {
    /// The account's id.
    pub id: u128,
    /// The asset that it holds.
    pub asset: u128,
    /// The sum of all that left it.
    pub debits: u128,
    /// The sum of all that reached it.
    pub credits: u128,
    /// The sum of open holds of what it has.
    pub debits_pending: u128,
    /// The sum of open holds for it.
    pub credits_pending: u128,
    /// What must be left on it.
    pub minimum: u128,
    /// What it may hold; [`u128::MAX`] for no bound. An issuance account's is the asset's cap.
    pub maximum: u128,
    /// How far it may be overdrawn.
    pub overdraft: u128,
    /// The position in the log of the command that opened it; once it is named, of the one
    /// that named it.
    pub position: u64,
    /// Which opening of that command, if it is named; else which transfer.
    pub item: u16,
    /// What it is and may do.
    pub flags: AccountFlags,
    /// What velocity rules call accounts of its sort.
    pub class: u16,
    /// How many entries its history has.
    pub entries: u32,
    /// How many holds are open on it.
    pub holds: u32,
}

/// What has become of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// It holds.
    Open,
    /// It was posted.
    Posted,
    /// It was voided.
    Voided,
    /// It expired.
    Expired,
}

/// A transfer that was asked for, and what became of it. Its memo, and the accounts of a
/// refused one, are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferView {
    /// The transfer's id.
    pub id: u128,
    /// What it did.
    pub kind: Kind,
    /// What became of it; `repeated` is false.
    pub answer: Answer,
    /// Which transfer of its command it is.
    pub item: u16,
    /// The fingerprint of its bytes: see [`super::Transfer::fingerprint`].
    pub fingerprint: u64,
    /// The account that was debited; zero if it was refused.
    pub debit: u128,
    /// The account that was credited; zero if it was refused.
    pub credit: u128,
    /// The asset that both hold; zero if it was refused.
    pub asset: u128,
    /// The caller's word for why.
    pub code: u16,
    /// The day that it counts from, in days since the Unix epoch; zero for the log's.
    pub effective_day: u32,
    /// What it follows; zero if nothing.
    pub origin: u128,
    /// What has become of it, if it is a hold.
    pub hold: Option<HoldState>,
    /// What posted or voided it, if it is a hold; else zero.
    pub settled_by: u128,
    /// When it expires or expired, if it is a hold with a timeout; else zero.
    pub deadline: u64,
    /// How much of it was moved back.
    pub returned: u128,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The assets.
    pub assets: u64,
    /// The accounts.
    pub accounts: u64,
    /// The transfers, settings and rule sets that are recorded, refused ones among them.
    pub transfers: u64,
    /// The holds with a timeout that are open.
    pub holds: u64,
    /// The position of the last command that was applied.
    pub position: u64,
    /// The time of that command.
    pub time: u64,
    /// About how many bytes of memory are in use.
    pub memory: u64,
}

/// A sum that may need more than 128 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    /// How often the sum has passed 2^128.
    pub high: u64,
    /// The rest.
    pub low: u128,
}

impl Sum {
    /// Adds an amount.
    pub fn add(&mut self, amount: u128) {
        let (low, carry) = self.low.overflowing_add(amount);
        *self = Self { high: self.high.saturating_add(carry.into()), low };
    }
}

/// What accounts of an asset add up to. Of all of them, `debits` equals `credits`, and what those whose normal
/// balance is a credit were credited less what they were debited equals the supply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AssetTotals {
    /// How many accounts hold it, the issuance account included.
    pub accounts: u64,
    /// What left all of them.
    pub debits: Sum,
    /// What reached all of them.
    pub credits: Sum,
    /// The open holds of what they have.
    pub debits_pending: Sum,
    /// The open holds for them.
    pub credits_pending: Sum,
    /// What left the accounts whose normal balance is a credit.
    pub held_debits: Sum,
    /// What reached the accounts whose normal balance is a credit.
    pub held_credits: Sum,
    /// What the accounts whose normal balance is a debit owe.
    pub supply: u128,
    /// The number of the account to go on with, if these are not all.
    pub next: Option<u32>,
}

/// What was posted on an account up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BalanceView {
    /// The sum of all that had left it.
    pub debits: u128,
    /// The sum of all that had reached it.
    pub credits: u128,
}

/// An entry of an account's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryView {
    /// The transfer's id.
    pub transfer: u128,
    /// The other account.
    pub other: u128,
    /// How much was moved, held or released.
    pub amount: u128,
    /// What had left the account after it.
    pub debits: u128,
    /// What had reached the account after it.
    pub credits: u128,
    /// The position of its command in the log.
    pub position: u64,
    /// The time of that command.
    pub time: u64,
    /// Its number among the account's entries; the first one has 1.
    pub number: u32,
    /// The day that it counts from; zero for the log's.
    pub effective_day: u32,
    /// Which transfer of its command it is.
    pub item: u16,
    /// The caller's word for why.
    pub code: u16,
    /// What it did.
    pub kind: Kind,
    /// Whether the account was its debited one.
    pub is_debit: bool,
}

/// A page of an account's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryView {
    /// The entries, in the order that was asked for.
    pub entries: Vec<EntryView>,
    /// The number of the entry to go on with. With a filter there may be one on a page that
    /// is not full, because a page looks at a bounded number of entries.
    pub next: Option<u32>,
}

/// The velocity rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesView {
    /// The SHA-256 of the rules, as in the log; zeros if none were ever set.
    pub digest: [u8; 32],
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What an account has used of a rule, at the time of the last command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseView {
    /// The rule.
    pub rule: Rule,
    /// How much was debited in its window, rounded up to whole sub-windows.
    pub amount: u128,
    /// How often.
    pub count: u32,
}

/// What an account has used of every rule that bounds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VelocityView {
    /// The rules, in their order.
    pub uses: Vec<UseView>,
}

/// Where in the log an id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceView {
    /// The position of the command.
    pub position: u64,
    /// Which opening or transfer of it.
    pub item: u16,
}

const FOUND: u8 = 1;
/// The kind of the answer to a query that is malformed.
const MALFORMED: u8 = 0;

/// What a query found, as bytes.
pub(crate) trait View: Sized {
    const KIND: u8;
    /// How many items a list in it has.
    fn items(&self) -> usize {
        0
    }
    fn write(&self, writer: &mut Writer);
    fn read(reader: &mut Reader<'_>, items: u32) -> Result<Self, Malformed>;
}

impl View for AssetView {
    const KIND: u8 = ASSET;

    fn write(&self, writer: &mut Writer) {
        self.asset.write(writer);
        writer.u128(self.supply).u64(self.position).u64(self.time);
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        let asset = Asset::decode(&reader.array::<ASSET_LENGTH>()?)?;
        Ok(Self { asset, supply: reader.u128()?, position: reader.u64()?, time: reader.u64()? })
    }
}

impl View for AccountView {
    const KIND: u8 = ACCOUNT;

    fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.asset).u128(self.debits).u128(self.credits);
        writer.u128(self.debits_pending).u128(self.credits_pending);
        writer.u128(self.minimum).u128(self.maximum).u128(self.overdraft);
        writer.u64(self.position).u16(self.item).u16(self.flags.bits()).u16(self.class).zeros::<2>();
        writer.u32(self.entries).u32(self.holds);
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        let (id, asset, debits, credits) = (reader.u128()?, reader.u128()?, reader.u128()?, reader.u128()?);
        let (debits_pending, credits_pending) = (reader.u128()?, reader.u128()?);
        let (minimum, maximum, overdraft) = (reader.u128()?, reader.u128()?, reader.u128()?);
        let (position, item) = (reader.u64()?, reader.u16()?);
        let flags = AccountFlags::from_bits(reader.u16()?).ok_or(Malformed::Field)?;
        let class = reader.u16()?;
        reader.zeros::<2>()?;
        let (entries, holds) = (reader.u32()?, reader.u32()?);
        Ok(Self {
            id,
            asset,
            debits,
            credits,
            debits_pending,
            credits_pending,
            minimum,
            maximum,
            overdraft,
            position,
            item,
            flags,
            class,
            entries,
            holds,
        })
    }
}

impl AccountView {
    /// What the account holds; zero if it is overdrawn. For an account whose normal balance
    /// is a debit, such as an issuance account, what it owes.
    pub fn balance(&self) -> u128 {
        if self.flags.contains(AccountFlags::DEBIT_NORMAL) {
            self.debits.saturating_sub(self.credits)
        } else {
            self.credits.saturating_sub(self.debits)
        }
    }

    /// How far it is overdrawn.
    pub fn overdrawn(&self) -> u128 {
        if self.flags.contains(AccountFlags::DEBIT_NORMAL) {
            self.credits.saturating_sub(self.debits)
        } else {
            self.debits.saturating_sub(self.credits)
        }
    }
}

impl HoldState {
    /// The state's number: see [`HoldState::from_code`].
    pub(crate) fn code(state: Option<Self>) -> u8 {
        match state {
            None => 0,
            Some(Self::Open) => 1,
            Some(Self::Posted) => 2,
            Some(Self::Voided) => 3,
            Some(Self::Expired) => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Result<Option<Self>, Malformed> {
        Ok(match code {
            0 => None,
            1 => Some(Self::Open),
            2 => Some(Self::Posted),
            3 => Some(Self::Voided),
            4 => Some(Self::Expired),
            _ => return Err(Malformed::Field),
        })
    }
}

impl View for TransferView {
    const KIND: u8 = TRANSFER;

    fn write(&self, writer: &mut Writer) {
        writer.u128(self.id);
        self.answer.write(writer);
        writer.u64(self.fingerprint).u16(self.item).u16(self.code).u32(self.effective_day);
        writer.u128(self.debit).u128(self.credit).u128(self.asset).u128(self.origin);
        writer.u128(self.settled_by).u128(self.returned).u64(self.deadline);
        writer.u8(self.kind.code()).u8(HoldState::code(self.hold)).zeros::<6>();
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        let (id, answer) = (reader.u128()?, Answer::read(reader)?);
        let (fingerprint, item, code) = (reader.u64()?, reader.u16()?, reader.u16()?);
        let effective_day = reader.u32()?;
        let (debit, credit, asset, origin) = (reader.u128()?, reader.u128()?, reader.u128()?, reader.u128()?);
        let (settled_by, returned, deadline) = (reader.u128()?, reader.u128()?, reader.u64()?);
        let kind = Kind::from_code(reader.u8()?).ok_or(Malformed::Field)?;
        let hold = HoldState::from_code(reader.u8()?)?;
        reader.zeros::<6>()?;
        Ok(Self {
            id,
            kind,
            answer,
            item,
            fingerprint,
            debit,
            credit,
            asset,
            code,
            effective_day,
            origin,
            hold,
            settled_by,
            deadline,
            returned,
        })
    }
}

impl View for Totals {
    const KIND: u8 = TOTALS;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.assets).u64(self.accounts).u64(self.transfers).u64(self.holds);
        writer.u64(self.position).u64(self.time).u64(self.memory);
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        Ok(Self {
            assets: reader.u64()?,
            accounts: reader.u64()?,
            transfers: reader.u64()?,
            holds: reader.u64()?,
            position: reader.u64()?,
            time: reader.u64()?,
            memory: reader.u64()?,
        })
    }
}

impl View for AssetTotals {
    const KIND: u8 = ASSET_TOTALS;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.accounts).u128(self.supply);
        writer.u32(self.next.unwrap_or_default());
        let sums = [self.debits, self.credits, self.debits_pending, self.credits_pending];
        for sum in sums.into_iter().chain([self.held_debits, self.held_credits]) {
            writer.u64(sum.high).u128(sum.low);
        }
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        let (accounts, supply, next) = (reader.u64()?, reader.u128()?, reader.u32()?);
        let mut sum = || Ok(Sum { high: reader.u64()?, low: reader.u128()? });
        Ok(Self {
            accounts,
            supply,
            // No page begins with the first account but the first page.
            next: Some(next).filter(|next| *next != 0),
            debits: sum()?,
            credits: sum()?,
            debits_pending: sum()?,
            credits_pending: sum()?,
            held_debits: sum()?,
            held_credits: sum()?,
        })
    }
}

impl View for BalanceView {
    const KIND: u8 = BALANCE;

    fn write(&self, writer: &mut Writer) {
        writer.u128(self.debits).u128(self.credits);
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        Ok(Self { debits: reader.u128()?, credits: reader.u128()? })
    }
}

impl EntryView {
    fn write(&self, writer: &mut Writer) {
        writer.u128(self.transfer).u128(self.other).u128(self.amount);
        writer.u128(self.debits).u128(self.credits).u64(self.position).u64(self.time);
        writer.u32(self.number).u32(self.effective_day).u16(self.item).u16(self.code);
        writer.u8(self.kind.code()).u8(self.is_debit.into()).zeros::<2>();
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (transfer, other, amount) = (reader.u128()?, reader.u128()?, reader.u128()?);
        let (debits, credits) = (reader.u128()?, reader.u128()?);
        let (position, time) = (reader.u64()?, reader.u64()?);
        let (number, effective_day) = (reader.u32()?, reader.u32()?);
        let (item, code) = (reader.u16()?, reader.u16()?);
        let kind = Kind::from_code(reader.u8()?).ok_or(Malformed::Field)?;
        let is_debit = reader.bool()?;
        reader.zeros::<2>()?;
        Ok(Self {
            transfer,
            other,
            amount,
            debits,
            credits,
            position,
            time,
            number,
            effective_day,
            item,
            code,
            kind,
            is_debit,
        })
    }
}

impl View for HistoryView {
    const KIND: u8 = HISTORY;

    fn items(&self) -> usize {
        self.entries.len()
    }

    fn write(&self, writer: &mut Writer) {
        // Entries are counted from 1, so zero says that there are no more.
        writer.u32(self.next.unwrap_or_default()).zeros::<4>();
        for entry in &self.entries {
            entry.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>, items: u32) -> Result<Self, Malformed> {
        let next = Some(reader.u32()?).filter(|&next| next != 0);
        reader.zeros::<4>()?;
        let entries: Result<_, _> = (0..items).map(|_| EntryView::read(reader)).collect();
        Ok(Self { entries: entries?, next })
    }
}

impl View for RulesView {
    const KIND: u8 = RULES;

    fn items(&self) -> usize {
        self.rules.len()
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.digest);
        for rule in &self.rules {
            rule.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>, items: u32) -> Result<Self, Malformed> {
        let digest = reader.array()?;
        let rules: Result<_, _> = (0..items).map(|_| Rule::decode(&reader.array()?)).collect();
        Ok(Self { digest, rules: rules? })
    }
}

impl View for VelocityView {
    const KIND: u8 = VELOCITY;

    fn items(&self) -> usize {
        self.uses.len()
    }

    fn write(&self, writer: &mut Writer) {
        for used in &self.uses {
            used.rule.write(writer);
            writer.u128(used.amount).u32(used.count).zeros::<4>();
        }
    }

    fn read(reader: &mut Reader<'_>, items: u32) -> Result<Self, Malformed> {
        let mut one = || {
            let (rule, amount, count) = (Rule::decode(&reader.array()?)?, reader.u128()?, reader.u32()?);
            reader.zeros::<4>()?;
            Ok(UseView { rule, amount, count })
        };
        let uses: Result<_, Malformed> = (0..items).map(|_| one()).collect();
        Ok(Self { uses: uses? })
    }
}

impl View for PlaceView {
    const KIND: u8 = PLACE;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.position).u16(self.item).zeros::<6>();
    }

    fn read(reader: &mut Reader<'_>, _: u32) -> Result<Self, Malformed> {
        let view = Self { position: reader.u64()?, item: reader.u16()? };
        reader.zeros::<6>()?;
        Ok(view)
    }
}

/// The answer to a query.
pub(crate) fn encode_view<V: View>(view: Option<&V>) -> Vec<u8> {
    let items = view.map_or(0, View::items);
    let mut writer = Writer::with_capacity(HEADER_LENGTH + 512 + items * 128);
    let code = if view.is_some() { FOUND } else { 0 };
    // A view has at most as many items as a page.
    let transfers = u32::try_from(items).unwrap_or(u32::MAX);
    writer.header(Header { kind: V::KIND, code, transfers, ..Header::default() });
    if let Some(view) = view {
        view.write(&mut writer);
    }
    writer.0
}

/// The answer to a malformed query.
pub(crate) fn malformed_query(reason: Malformed) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH);
    writer.header(Header { kind: MALFORMED, code: reason.code(), ..Header::default() });
    writer.0
}

fn decode<V: View>(answer: &[u8]) -> Result<Option<V>, Malformed> {
    let (header, body) = Header::split(answer)?;
    if header.kind != V::KIND {
        return Err(Malformed::from_code(header.code).unwrap_or(Malformed::Kind));
    }
    let mut reader = Reader::new(body);
    let view = if header.code == FOUND { Some(V::read(&mut reader, header.transfers)?) } else { None };
    reader.end()?;
    Ok(view)
}

/// Reads the answer to [`super::Query::Asset`]; none if there is no such asset.
pub fn decode_asset(answer: &[u8]) -> Result<Option<AssetView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::Account`]; none if there is no such account.
pub fn decode_account(answer: &[u8]) -> Result<Option<AccountView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::Transfer`]; none if no such transfer is recorded.
pub fn decode_transfer(answer: &[u8]) -> Result<Option<TransferView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::Totals`].
pub fn decode_totals(answer: &[u8]) -> Result<Totals, Malformed> {
    decode(answer)?.ok_or(Malformed::Field)
}

/// Reads the answer to [`super::Query::AssetTotals`]; none if there is no such asset.
pub fn decode_asset_totals(answer: &[u8]) -> Result<Option<AssetTotals>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::Balance`]; none if there is no such account.
pub fn decode_balance(answer: &[u8]) -> Result<Option<BalanceView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::History`]; none if there is no such account.
pub fn decode_history(answer: &[u8]) -> Result<Option<HistoryView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::Rules`].
pub fn decode_rules(answer: &[u8]) -> Result<RulesView, Malformed> {
    decode(answer)?.ok_or(Malformed::Field)
}

/// Reads the answer to [`super::Query::Velocity`]; none if there is no such account.
pub fn decode_velocity(answer: &[u8]) -> Result<Option<VelocityView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`super::Query::Place`]; none if nothing has the id.
pub fn decode_place(answer: &[u8]) -> Result<Option<PlaceView>, Malformed> {
    decode(answer)
}
