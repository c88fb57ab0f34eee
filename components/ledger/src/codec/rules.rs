//! Velocity rules: how much and how often accounts of a class may be debited in a window.

use super::{Malformed, RULE_LENGTH, RULES_MAX, Reader, WINDOW_S_MAX, Writer};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// A bound on what leaves an account in any stretch of time of some length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The asset whose accounts it bounds; zero for all.
    pub asset: u128,
    /// The most that may leave such an account, holds included, in minor units.
    pub amount_max: u128,
    /// The length of the stretch, in seconds: 1 to [`WINDOW_S_MAX`].
    pub window_s: u32,
    /// The most debits, holds included.
    pub count_max: u32,
    /// The class of accounts that it bounds.
    pub class: u16,
}

/// Every velocity rule there is from now on. The id makes a repeat harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// The set's id; sets and transfers share one space of ids.
    pub id: u128,
    /// The rules; at most [`RULES_MAX`].
    pub rules: Vec<Rule>,
}

impl Rule {
    pub(crate) fn decode(bytes: &[u8; RULE_LENGTH]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (asset, amount_max) = (reader.u128()?, reader.u128()?);
        let (window_s, count_max, class) = (reader.u32()?, reader.u32()?, reader.u16()?);
        reader.zeros::<6>()?;
        reader.end()?;
        if window_s == 0 || window_s > WINDOW_S_MAX {
            return Err(Malformed::Field);
        }
        Ok(Self { asset, amount_max, window_s, count_max, class })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.asset).u128(self.amount_max).u32(self.window_s).u32(self.count_max);
        writer.u16(self.class).zeros::<6>();
    }
}

/// The SHA-256 of rules as they are written in the command, which carries it too.
pub fn rules_digest(rules: &[Rule]) -> [u8; 32] {
    let mut writer = Writer::with_capacity(rules.len() * RULE_LENGTH);
    for rule in rules {
        rule.write(&mut writer);
    }
    Sha256::digest(&writer.0).into()
}

impl RuleSet {
    pub(crate) fn decode(body: &[u8], count: u32) -> Result<Self, Malformed> {
        if count as usize > RULES_MAX {
            return Err(Malformed::TooMany);
        }
        let mut reader = Reader::new(body);
        let (id, digest) = (reader.u128()?, reader.array::<32>()?);
        let mut rules = Vec::with_capacity(count as usize);
        for _ in 0..count {
            rules.push(Rule::decode(&reader.array()?)?);
        }
        reader.end()?;
        if digest != rules_digest(&rules) {
            return Err(Malformed::Field);
        }
        Ok(Self { id, rules })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).bytes(&rules_digest(&self.rules));
        for rule in &self.rules {
            rule.write(writer);
        }
    }
}
