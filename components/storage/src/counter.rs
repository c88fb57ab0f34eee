//! Counters: values of eight little-endian bytes, and the rule by which they are added to.
//! In one place, like the bounds, so that no two implementations disagree.

/// What an addition amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// The counter's next value.
    Within(i64),
    /// The sum would leave the bounds, or what a counter can hold.
    OutOfBounds,
    /// The key holds something else.
    NotACounter,
}

/// Adds to what a key holds; an absent key counts as zero.
pub fn add(held: Option<&[u8]>, delta: i64, minimum: i64, maximum: i64) -> Sum {
    let held = match held.map(<[u8; 8]>::try_from) {
        None => 0,
        Some(Ok(bytes)) => i64::from_le_bytes(bytes),
        Some(Err(_)) => return Sum::NotACounter,
    };
    match held.checked_add(delta).filter(|sum| (minimum..=maximum).contains(sum)) {
        Some(sum) => Sum::Within(sum),
        None => Sum::OutOfBounds,
    }
}
