//! How often something may happen: a token bucket, kept as the generic cell rate algorithm keeps it.

/// Milliseconds or microseconds since the Unix epoch, as the name of the value says.
pub type Timestamp = u64;

const SECOND_US: u64 = 1_000_000;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How often at once: 1 to 1,000,000.
    pub quota: u32,
    /// How long all uses take to come back, in seconds: 1 to 86,400. They come back one by one.
    pub window_s: u32,
}

/// What is kept of a subject: when it would have used nothing any more, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket(u64);

/// What came of taking uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many there were, of those that were wanted.
    pub uses: u32,
    /// The bucket after that.
    pub bucket: Bucket,
    /// If there was none, how long it takes until there is one, in microseconds.
    pub wait_us: u64,
}

impl Limit {
    /// How long one use takes to come back, in microseconds.
    fn period_us(self) -> u64 {
        (u64::from(self.window_s) * SECOND_US / u64::from(self.quota.max(1))).max(1)
    }

    /// How long all of them take.
    fn window_us(self) -> u64 {
        self.period_us() * u64::from(self.quota)
    }
}

impl Bucket {
    /// Reads what [`Self::write`] wrote. Anything else was not written here, and nothing was used.
    pub fn read(bytes: &[u8]) -> Self {
        Self(<[u8; 8]>::try_from(bytes).map_or(0, u64::from_be_bytes))
    }

    /// The bytes that are kept.
    pub fn write(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    /// When nothing need be kept any more, in milliseconds since the Unix epoch.
    pub fn expires_at(self) -> Timestamp {
        self.0.div_ceil(1000)
    }

    /// Takes as many uses as there are, up to those that are wanted.
    pub fn take(self, limit: Limit, wanted: u32, now_us: Timestamp) -> Taken {
        let (period_us, until_us) = (limit.period_us(), self.until(limit, now_us));
        let room_us = now_us.saturating_add(limit.window_us()) - until_us;
        let uses = u32::try_from(room_us / period_us).unwrap_or(u32::MAX).min(wanted);
        let bucket = Self(until_us.saturating_add(u64::from(uses) * period_us));
        Taken { uses, bucket, wait_us: period_us.saturating_sub(room_us) }
    }

    /// How many uses there are now.
    pub fn remaining(self, limit: Limit, now_us: Timestamp) -> u32 {
        self.take(limit, limit.quota, now_us).uses
    }

    /// When nothing is used any more, in seconds from now.
    pub fn reset_s(self, limit: Limit, now_us: Timestamp) -> u64 {
        (self.until(limit, now_us) - now_us).div_ceil(SECOND_US)
    }

    /// Until when it is in use, from now to a window from now: a rule may have been another one when the bucket
    /// was written, and a clock may have gone wrong.
    fn until(self, limit: Limit, now_us: Timestamp) -> u64 {
        self.0.clamp(now_us, now_us.saturating_add(limit.window_us()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Limit = Limit { quota: 3, window_s: 3 };
    const NOW: Timestamp = 1_800_000_000_000_000;

    #[test]
    fn a_quota_is_used_at_once_and_comes_back_one_by_one() {
        let mut bucket = Bucket::default();
        for left in [2, 1, 0] {
            let taken = bucket.take(LIMIT, 1, NOW);
            assert_eq!((taken.uses, taken.bucket.remaining(LIMIT, NOW)), (1, left));
            bucket = taken.bucket;
        }
        assert_eq!(bucket.reset_s(LIMIT, NOW), 3);
        let refused = bucket.take(LIMIT, 1, NOW);
        assert_eq!((refused.uses, refused.wait_us, refused.bucket), (0, 1_000_000, bucket));
        assert_eq!(bucket.take(LIMIT, 1, NOW + 999_999).uses, 0);
        assert_eq!(bucket.take(LIMIT, 2, NOW + 1_000_000).uses, 1);
        assert_eq!(bucket.take(LIMIT, 9, NOW + 3_000_000).uses, 3);
    }

    #[test]
    fn what_cannot_have_been_written_here_counts_for_a_window_at_most() {
        assert_eq!(Bucket::read(b"something else"), Bucket::default());
        let forged = Bucket::read(&[0xff; 8]);
        assert_eq!(forged.take(LIMIT, 1, NOW).wait_us, 1_000_000);
        assert_eq!(forged.reset_s(LIMIT, NOW), 3);
        assert_eq!(Bucket::read(&forged.write()), forged);
    }

    proptest! {
        #[test]
        fn no_more_is_let_through_than_the_quota_and_what_comes_back(
            quota in 1_u32..1000,
            window_s in 1_u32..100,
            steps in proptest::collection::vec((0_u64..5_000_000, 1_u32..50), 1..100),
        ) {
            let limit = Limit { quota, window_s };
            let (mut bucket, mut now_us, mut uses) = (Bucket::default(), NOW, 0);
            for (later_us, wanted) in steps {
                now_us += later_us;
                let taken = bucket.take(limit, wanted, now_us);
                prop_assert!(taken.uses <= wanted);
                prop_assert_eq!(taken.uses == 0, taken.wait_us > 0);
                bucket = taken.bucket;
                uses += u64::from(taken.uses);
                let came_back = (now_us - NOW) / limit.period_us();
                prop_assert!(uses <= u64::from(quota) + came_back);
            }
        }
    }
}
