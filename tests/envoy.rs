//! A real Envoy in the place of a sidecar: driven by our control plane, in mutual TLS with our proxies.

use mesh_tests::bookinfo::Bookinfo;
use mesh_tests::envoy::{Ads, Envoy};
use mesh_tests::until;
use std::time::Instant;

/// Envoy beside the product page: it is called by our gateway, and routes to our sidecars of reviews.
async fn envoy_routes_for_the_product_page(ads: Ads) {
    let bookinfo = Bookinfo::without(&["productpage-v1"]).await;
    let envoy = bookinfo.envoy("productpage-v1", ads).await;
    until("a request through Envoy", || async { bookinfo.version(&[]).await.ok() }).await;
    let seen = bookinfo.versions(100).await;
    let v2 = seen.get("v2").copied().unwrap_or(0);
    // Envoy throws dice: 10% of 100 is 10, give or take five standard deviations.
    assert!(v2 <= 25 && seen.get("v1").is_some_and(|v1| *v1 >= 75), "{seen:?}");

    let load = bookinfo.load();
    load.more(20).await;
    bookinfo.config.edit("reviews.yaml", "weight: 90", "weight: 0");
    bookinfo.config.edit("reviews.yaml", "weight: 10", "weight: 100");
    let edited = Instant::now();
    until("Envoy sends to v2 alone", || async {
        (bookinfo.versions(10).await.get("v2") == Some(&10)).then_some(())
    })
    .await;
    println!("{ads:?}: the new weights were in force in Envoy after at most {:?}", edited.elapsed());
    load.more(20).await;
    assert_eq!(load.stop().await, Vec::<String>::new(), "Envoy's log:\n{}", envoy.log().await);

    is_content_and_encrypted(&envoy).await;
    bookinfo.mesh.stop().await;
}

/// Envoy beside reviews-v2: it is called by our sidecar of the product page, and calls our sidecar of ratings.
async fn envoy_serves_and_calls_as_reviews(ads: Ads) {
    let bookinfo = Bookinfo::without(&["reviews-v2"]).await;
    bookinfo.config.edit("reviews.yaml", "weight: 90", "weight: 0");
    bookinfo.config.edit("reviews.yaml", "weight: 10", "weight: 100");
    let envoy = bookinfo.envoy("reviews-v2", ads).await;
    until("stars by way of Envoy", || async {
        let path = "/api/v1/products/0/reviews";
        let response = mesh_tests::http::get(bookinfo.gateway(), path, &[]).await.ok()?;
        let body: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
        (body["reviews"][0]["rating"]["color"] == "black").then_some(())
    })
    .await;
    assert_eq!(bookinfo.versions(20).await.get("v2"), Some(&20));
    is_content_and_encrypted(&envoy).await;
    bookinfo.mesh.stop().await;
}

async fn is_content_and_encrypted(envoy: &Envoy) {
    envoy.assert_nothing_rejected().await;
    assert_eq!(envoy.stat("control_plane.connected_state").await, 1);
    let stats = envoy.stats().await;
    let handshakes = |side: &str| {
        let of = |(name, _): &(&String, &u64)| name.starts_with(side) && name.ends_with("ssl.handshake");
        stats.iter().filter(of).map(|(_, count)| *count).sum::<u64>()
    };
    assert!(handshakes("listener.") > 0, "our proxies called it over TLS: {stats:#?}");
    assert!(handshakes("cluster.outbound|") > 0, "it called our proxies over TLS: {stats:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_routes_for_the_product_page_by_state_of_the_world() {
    envoy_routes_for_the_product_page(Ads::StateOfTheWorld).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_routes_for_the_product_page_by_delta() {
    envoy_routes_for_the_product_page(Ads::Delta).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_serves_and_calls_as_reviews_by_state_of_the_world() {
    envoy_serves_and_calls_as_reviews(Ads::StateOfTheWorld).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_serves_and_calls_as_reviews_by_delta() {
    envoy_serves_and_calls_as_reviews(Ads::Delta).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_enforces_a_deny_rule_as_our_sidecar_does() {
    let bookinfo = Bookinfo::without(&["reviews-v2"]).await;
    bookinfo.config.edit("reviews.yaml", "weight: 90", "weight: 50");
    bookinfo.config.edit("reviews.yaml", "weight: 10", "weight: 50");
    let envoy = bookinfo.envoy("reviews-v2", Ads::Delta).await;
    until("both answer", || async {
        let seen = bookinfo.try_versions(20).await?;
        (seen.len() == 2).then_some(())
    })
    .await;
    // Two requests in a row meet v1 behind our sidecar and v2 behind Envoy, or the other way round.
    bookinfo.config.write(
        "deny.yaml",
        "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-reviews, namespace: default }
spec:
  selector: { matchLabels: { app: reviews } }
  action: DENY
  rules: [{ to: [{ operation: { methods: [GET], paths: [\"/reviews/*\"] } }] }]
",
    );
    until("neither answers", || async {
        for _ in 0..20 {
            if bookinfo.version(&[]).await.is_ok() {
                return None;
            }
        }
        Some(())
    })
    .await;
    let denied =
        envoy.stats().await.iter().filter(|(n, _)| n.ends_with("rbac.denied")).map(|(_, c)| *c).sum::<u64>();
    assert!(denied > 0, "Envoy denied some of them itself");
    bookinfo.config.remove("deny.yaml");
    until("both answer again", || async { (bookinfo.try_versions(20).await?.len() == 2).then_some(()) })
        .await;
    envoy.assert_nothing_rejected().await;
    bookinfo.mesh.stop().await;
}
