//! Measuring in turns: whatever else the machine does, it does to both sides.

use crate::progress::Progress;
use anyhow::Result;
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often each side has its turn.
    pub(crate) rounds: usize,
    /// How long a turn is.
    pub(crate) turn: Duration,
    /// How many worlds are searched.
    pub(crate) worlds: usize,
}

impl Effort {
    /// Figures to publish.
    pub(crate) const FULL: Self = Self { rounds: 5, turn: Duration::from_secs(3), worlds: 1_000_000 };
    /// Figures to look at while working on something.
    pub(crate) const QUICK: Self = Self { rounds: 3, turn: Duration::from_secs(1), worlds: 50_000 };
}

/// One side of a comparison: has a turn of this length and says how much it did, per
/// second.
pub(crate) type Side<'a> = &'a mut dyn FnMut(Duration) -> Result<f64>;

/// What each round came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// Adds a round.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle round.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The middle of the rounds' ratios. Steadier than the ratio of the middles, because
    /// both sides of a round had the same neighbours.
    pub(crate) fn ratio(&self, yardstick: &Self) -> f64 {
        Self(self.0.iter().zip(&yardstick.0).map(|(ours, theirs)| ours / theirs).collect()).median()
    }
}

/// Gives every side a turn in every round.
pub(crate) fn rounds<const SIDES: usize>(
    effort: Effort,
    progress: &Progress,
    sides: [(&str, Side<'_>); SIDES],
) -> Result<[Figures; SIDES]> {
    let mut figures = [const { Figures(Vec::new()) }; SIDES];
    let mut sides = sides;
    for round in 1..=effort.rounds {
        for ((name, side), figures) in sides.iter_mut().zip(&mut figures) {
            progress.say(&format!("{name}, round {round} of {}", effort.rounds));
            figures.push(side(effort.turn)?);
        }
    }
    Ok(figures)
}

/// Runs a step over and over for a turn; how much it did, per second. The step says how
/// much it did.
pub(crate) fn rate(turn: Duration, mut step: impl FnMut() -> Result<u32>) -> Result<f64> {
    let (start, mut done) = (Instant::now(), 0.0);
    while start.elapsed() < turn {
        done += f64::from(step()?);
    }
    Ok(done / start.elapsed().as_secs_f64())
}
