//! Amounts times ratios, and amounts in shares, without losing or making a unit.
//!
//! All of it is in integers: a product of 128 and 64 bits is kept in 192 until it is divided.

use crate::Error;
use crate::reference::Owner;
use serde::{Deserialize, Serialize};

/// The most shares that an amount is split into.
pub const SHARES_MAX: usize = 64;

/// Whose part of an amount is how large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The account to credit.
    pub to: String,
    /// How large the part is beside the others': 1 or more.
    pub weight: u32,
}

/// `amount` × `by` ÷ `of`, rounded down, and what the division leaves. None if `of` is zero, or if the
/// quotient has more than 128 bits.
pub fn scaled(amount: u128, by: u64, of: u64) -> Option<(u128, u128)> {
    const LOW: u128 = u64::MAX as u128;
    let (by, of) = (u128::from(by), u128::from(of));
    if of == 0 {
        return None;
    }
    // Neither of these can overflow: (2^64 - 1)^2 + 2^64 - 1 is below 2^128.
    let low = (amount & LOW) * by;
    let high = (amount >> 64) * by + (low >> 64);
    // Long division, in digits of 64 bits; what a digit leaves is below `of`, so that the next quotient
    // has 64 bits again.
    let (top, rest) = ((high >> 64) / of, (high >> 64) % of);
    let middle = rest << 64 | (high & LOW);
    let bottom = (middle % of) << 64 | (low & LOW);
    (top == 0).then_some(((middle / of) << 64 | (bottom / of), bottom % of))
}

/// An amount in parts of these weights, by largest remainder: each part is rounded down, and what is
/// left over goes, one unit each, to the parts that lost the largest fractions; of equal ones to the
/// first. The parts are all of the amount. None if no weight is more than zero.
pub fn split(amount: u128, weights: &[u32]) -> Option<Vec<u128>> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == 0 {
        return None;
    }
    let scaled: Option<Vec<(u128, u128)>> =
        weights.iter().map(|weight| scaled(amount, u64::from(*weight), sum)).collect();
    let (mut parts, remainders): (Vec<u128>, Vec<u128>) = scaled?.into_iter().unzip();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    // A stable sort: of equal remainders the first comes first.
    order.sort_by_key(|place| std::cmp::Reverse(remainders.get(*place).copied()));
    let given: u128 = parts.iter().sum();
    // Fewer units than there are parts are left, because each part lost less than one.
    let left = usize::try_from(amount.checked_sub(given)?).ok()?;
    for place in order.into_iter().take(left) {
        if let Some(part) = parts.get_mut(place) {
            *part += 1;
        }
    }
    Some(parts)
}

/// Requires 1 to `most` shares, of different travellers, worlds or issuance accounts.
pub(crate) fn require_shares(shares: &[Share], most: usize) -> Result<Vec<Owner>, Error> {
    if !(1..=most).contains(&shares.len()) {
        return Err(Error::Invalid(format!("there are 1 to {most} shares")));
    }
    if shares.iter().any(|share| share.weight == 0) {
        return Err(Error::Invalid("a share's weight is 1 or more".to_owned()));
    }
    let mut owners: Vec<Owner> = Vec::with_capacity(shares.len());
    for share in shares {
        let owner: Owner = share.to.parse()?;
        let is_somebodys = matches!(owner, Owner::Traveller(_) | Owner::World(_) | Owner::Issuance(_));
        if !is_somebodys || owners.contains(&owner) {
            return Err(Error::Invalid("shares are of different travellers or worlds".to_owned()));
        }
        owners.push(owner);
    }
    Ok(owners)
}

/// How much each share is worth of an amount.
pub(crate) fn parts(amount: u128, shares: &[Share]) -> Result<Vec<u128>, Error> {
    let weights: Vec<u32> = shares.iter().map(|share| share.weight).collect();
    split(amount, &weights).ok_or(Error::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn products_are_exact_up_to_the_last_bit() {
        assert_eq!(scaled(u128::MAX, u64::MAX, u64::MAX), Some((u128::MAX, 0)));
        assert_eq!(scaled(u128::MAX, 2, 1), None);
        assert_eq!(scaled(1, 1, 0), None);
        assert_eq!(scaled(u128::MAX, u64::MAX - 1, u64::MAX), Some((u128::MAX - (1 << 64) - 1, 0)));
        assert_eq!(scaled(10, 1, 3), Some((3, 1)));
    }

    #[test]
    fn what_is_left_over_goes_to_the_largest_fractions_and_of_equal_ones_to_the_first() {
        assert_eq!(split(100, &[1, 1, 1]), Some(vec![34, 33, 33]));
        assert_eq!(split(5, &[1, 2, 3]), Some(vec![1, 2, 2]));
        assert_eq!(split(1, &[1, 3]), Some(vec![0, 1]));
        assert_eq!(split(2, &[1, 1, 1, 1]), Some(vec![1, 1, 0, 0]));
        assert_eq!(split(7, &[0, 1]), Some(vec![0, 7]));
        assert_eq!(split(1, &[0]), None);
        assert_eq!(split(1, &[]), None);
    }

    proptest! {
        #[test]
        fn a_quotient_and_what_it_leaves_are_the_product(amount: u64, by: u64, of in 1..=u64::MAX) {
            // Small enough that 128 bits hold the product.
            let (quotient, left) = scaled(amount.into(), by, of).unwrap();
            prop_assert!(left < u128::from(of));
            prop_assert_eq!(quotient * u128::from(of) + left, u128::from(amount) * u128::from(by));
        }

        #[test]
        fn scaling_there_and_back_is_exact(amount: u128, by in 1..=u64::MAX) {
            prop_assert_eq!(scaled(amount, by, by), Some((amount, 0)));
            let (quotient, left) = scaled(amount, 1, by).unwrap();
            prop_assert_eq!((quotient, left), (amount / u128::from(by), amount % u128::from(by)));
        }

        #[test]
        fn parts_are_all_of_an_amount_and_within_a_unit_of_what_is_fair(
            amount: u128,
            weights in prop::collection::vec(1..=u32::MAX, 1..SHARES_MAX),
        ) {
            let parts = split(amount, &weights).unwrap();
            prop_assert_eq!(parts.iter().copied().try_fold(0_u128, u128::checked_add), Some(amount));
            prop_assert_eq!(Some(parts.clone()), split(amount, &weights));
            let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let (fair, _) = scaled(amount, u64::from(*weight), sum).unwrap();
                prop_assert!(*part == fair || *part == fair + 1);
            }
        }
    }
}
