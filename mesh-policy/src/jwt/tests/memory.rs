//! Tokens that were verified before.

use super::*;

#[tokio::test]
async fn a_token_seen_before_is_remembered_until_it_expires() {
    let (clock, metrics) = (clock(), JwtMetrics::default());
    let layer = JwtLayer::new([ann()]).clock(clock.clone()).metrics(metrics.clone());
    let token = ANN.token("1", &claims("ann"));
    for _ in 0..3 {
        assert!(principal(&layer, bearer(&token)).await.is_ok());
    }
    assert_eq!((metrics.snapshot().jwt_cache_hit, metrics.snapshot().jwt_cache_miss), (2, 1));
    clock.0.store(NOW + 661, Ordering::Relaxed);
    assert_eq!(principal(&layer, bearer(&token)).await, Err(JwtStatus::Expired));
    assert_eq!(metrics.snapshot().jwt_cache_hit, 3);

    // A token that is only good somewhere else is not good here because it was seen there.
    let elsewhere = bob().from_header(HeaderName::from_static("x-bob"), "");
    let layer = JwtLayer::new([ann(), elsewhere]).clock(self::clock());
    let token = BOB.token("2", &claims("bob"));
    let there = Request::get("/").header("x-bob", &token).body(()).unwrap();
    assert!(principal(&layer, there).await.is_ok());
    assert_eq!(principal(&layer, bearer(&token)).await, Err(JwtStatus::UnknownIssuer));
}

#[tokio::test]
async fn the_memory_of_tokens_is_bounded() {
    let metrics = JwtMetrics::default();
    let layer = JwtLayer::new([ann()]).clock(clock()).metrics(metrics.clone()).remember(4);
    let tokens: Vec<String> =
        (0..16).map(|i| ANN.token("1", &json!({"iss": "ann", "sub": i.to_string()}))).collect();
    for token in tokens.iter().chain(&tokens) {
        assert!(principal(&layer, bearer(token)).await.is_ok());
    }
    assert!(metrics.snapshot().jwt_cache_hit <= 4, "{:?}", metrics.snapshot());
    let none = JwtLayer::new([ann()]).clock(clock()).metrics(metrics.clone()).remember(0);
    let before = metrics.snapshot().jwt_cache_hit;
    for _ in 0..2 {
        assert!(principal(&none, bearer(&tokens[0])).await.is_ok());
    }
    assert_eq!(metrics.snapshot().jwt_cache_hit, before);
}

#[tokio::test]
async fn no_number_of_tokens_is_too_many_to_ask_for() {
    let layer = layer([ann()]).remember(usize::MAX);
    assert!(format!("{layer:?}").contains("places: 1048576"), "{layer:?}");
    assert!(principal(&layer, bearer(&ANN.token("1", &claims("ann")))).await.is_ok());
}
