use super::*;
use proptest::prelude::*;
use std::sync::Arc;

fn ticks(nanos: u64) -> u64 {
    nanos * TICKS_A_NANO
}

proptest! {
    /// Over any stretch of time, a bucket passes no more than its burst and what that time refills.
    #[test]
    fn a_bucket_never_exceeds_its_rate_by_more_than_its_burst(
        burst in 1_u32..50,
        per_fill in 1_u32..1000,
        fill_nanos in 1_000_u64..2_000_000_000,
        steps in proptest::collection::vec(0_u64..5_000_000, 1..300),
    ) {
        let rate = Rate::token_bucket(burst, per_fill, Duration::from_nanos(fill_nanos)).unwrap();
        let full_at = FullAt::new(0);
        let mut now = 0;
        let mut passed = Vec::new();
        for step in steps {
            now += step;
            if take(&full_at, &rate, ticks(now)).is_ok() {
                passed.push(now);
            }
        }
        for (i, from) in passed.iter().enumerate() {
            for (j, to) in passed.iter().enumerate().skip(i) {
                let refilled = (to - from) as f64 * f64::from(per_fill) / fill_nanos as f64;
                prop_assert!((j - i + 1) as f64 <= f64::from(burst) + refilled + 1e-6);
            }
        }
    }

    /// A caller that keeps to the rate is never refused.
    #[test]
    fn who_keeps_to_the_rate_passes(burst in 1_u32..50, per_second in 1_u32..100_000, n in 1_u64..200) {
        let rate = Rate::per_second(per_second).burst(burst);
        let full_at = FullAt::new(0);
        let gap = rate.interval();
        for i in 0..n {
            prop_assert!(take(&full_at, &rate, i * gap).is_ok());
        }
    }

    /// What a refusal says is true: after the wait there is a token, and not a nanosecond before.
    #[test]
    fn the_reset_is_when_the_next_token_comes(burst in 1_u32..20, per_second in 1_u32..1_000_000, at in 0_u64..1_000_000) {
        let rate = Rate::per_second(per_second).burst(burst);
        let full_at = FullAt::new(0);
        let now = ticks(at);
        while take(&full_at, &rate, now).is_ok() {}
        let refused = take(&full_at, &rate, now).unwrap_err().standing();
        prop_assert_eq!(refused.remaining, 0);
        let wait = u64::try_from(refused.reset.as_nanos()).unwrap();
        prop_assert!(take(&full_at, &rate, now + ticks(wait.saturating_sub(1))).is_err());
        prop_assert!(take(&full_at, &rate, now + ticks(wait)).is_ok());
    }

    /// A token that is given back leaves the bucket as it was.
    #[test]
    fn giving_back_undoes_taking(before in 0_u64..1_000_000_000, now in 0_u64..1_000_000_000) {
        let rate = Rate::per_second(10);
        let full_at = FullAt::new(before);
        let at = |word: &FullAt| word.load(SeqCst).max(now);
        if take(&full_at, &rate, now).is_ok() {
            give_back(&full_at, &rate);
        }
        prop_assert_eq!(at(&full_at), before.max(now));
    }
}

#[test]
fn a_full_bucket_counts_down_and_refills() {
    let rate = Rate::token_bucket(3, 1, Duration::from_secs(10)).unwrap();
    let full_at = FullAt::new(0);
    let left: Vec<_> = (0..3).map(|_| take(&full_at, &rate, 0).unwrap().standing().remaining).collect();
    assert_eq!(left, [2, 1, 0]);
    let refused = take(&full_at, &rate, ticks(4 * NANOS_A_SECOND)).unwrap_err().standing();
    assert_eq!(refused, Standing { limit: 3, remaining: 0, reset: Duration::from_secs(6) });
    assert_eq!(take(&full_at, &rate, ticks(1000 * NANOS_A_SECOND)).unwrap().standing().remaining, 2);
}

#[test]
fn threads_share_the_tokens_exactly() {
    let rate = Rate::per_second(1000);
    let full_at = Arc::new(FullAt::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let full_at = Arc::clone(&full_at);
            std::thread::spawn(move || (0..1000).filter(|_| take(&full_at, &rate, 0).is_ok()).count())
        })
        .collect();
    let passed: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(passed, 1000);
}

#[test]
fn what_cannot_be_a_bucket_is_said_by_field() {
    let path = |max, per_fill, fill| Rate::token_bucket(max, per_fill, fill).unwrap_err().path().to_owned();
    let second = Duration::from_secs(1);
    assert_eq!(path(0, 1, second), "maxTokens");
    assert_eq!(path(1, 0, second), "tokensPerFill");
    assert_eq!(path(1, 1, Duration::ZERO), "fillInterval");
    assert_eq!(path(u32::MAX, 1, Duration::from_secs(1_000_000)), "fillInterval");
    assert_eq!(Rate::per_second(0), Rate::per_second(1));
    let deepest = Rate::token_bucket(1, 1, Duration::from_secs(500_000_000)).unwrap().burst(u32::MAX);
    assert!(take(&FullAt::new(0), &deepest, u64::MAX / 2).is_ok());
}
