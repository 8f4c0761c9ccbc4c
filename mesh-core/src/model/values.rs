//! Small values that several parts of the model share.

use std::fmt;

/// A share of something, in millionths. Envoy's `type.v3.FractionalPercent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fraction(u32);

impl Fraction {
    /// Nothing of it.
    pub const ZERO: Self = Self(0);
    /// All of it.
    pub const ONE: Self = Self(1_000_000);

    /// So many millionths; what lies above one million means all.
    pub fn millionths(n: u32) -> Self {
        Self(n.min(1_000_000))
    }

    /// A percentage between 0 and 100, rounded to a millionth; `None` outside of that.
    pub fn percent(p: f64) -> Option<Self> {
        if !(0.0..=100.0).contains(&p) {
            return None;
        }
        // In range by the check above, so the conversion is exact.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(Self((p * 10_000.0).round() as u32))
    }

    /// In millionths.
    pub fn as_millionths(self) -> u32 {
        self.0
    }

    /// Whether a request with this random number belongs to the share. Any 64 random bits will do.
    pub fn hits(self, random: u64) -> bool {
        (u128::from(random) * 1_000_000) >> 64 < u128::from(self.0)
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}

/// What the number of a share counts, where a request may lower it by a header. Envoy's
/// `FractionalPercent.denominator`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Denominator {
    /// Percents.
    #[default]
    Hundred,
    /// Hundredths of a percent.
    TenThousand,
    /// Millionths.
    Million,
}

impl Denominator {
    /// One of it, in millionths.
    pub fn as_millionths(self) -> u32 {
        match self {
            Self::Hundred => 10_000,
            Self::TenThousand => 100,
            Self::Million => 1,
        }
    }

    /// So many of it.
    pub fn fraction(self, numerator: u32) -> Fraction {
        Fraction::millionths(numerator.saturating_mul(self.as_millionths()))
    }
}

/// Envoy's routing priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// What all traffic has unless a route says otherwise.
    #[default]
    Default,
    /// A second set of circuit-breaker limits.
    High,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_hits_its_share_of_numbers() {
        let tenth = Fraction::percent(10.0).unwrap();
        let draw = |n: u64| n * (u64::MAX / 1_000_000 + 1);
        assert_eq!((0..1_000_000).filter(|n| tenth.hits(draw(*n))).count(), 100_000);
        assert!(Fraction::ONE.hits(u64::MAX) && !Fraction::ZERO.hits(0));
        assert_eq!(Fraction::percent(100.1), None);
        assert_eq!(Fraction::percent(f64::NAN), None);
    }
}
