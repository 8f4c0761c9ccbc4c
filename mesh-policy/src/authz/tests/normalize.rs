//! Paths, made canonical.

use super::*;
use serde_json::json;

fn level(name: &str) -> NormalizePathLayer {
    let spec: NormalizePathSpec = serde_json::from_value(json!({"normalization": name})).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), json!({"normalization": name}));
    NormalizePathLayer::try_from(spec).unwrap()
}

#[tokio::test]
async fn each_level_does_what_the_one_before_does_and_more() {
    for (path, none, base, merge, decode) in [
        ("/a/../b", "/a/../b", "/b", "/b", "/b"),
        ("/%61//b?c=//d", "/%61//b?c=//d", "/a//b?c=//d", "/a/b?c=//d", "/a/b?c=//d"),
        ("/a%2fb%5Cc", "/a%2fb%5Cc", "/a%2Fb%5Cc", "/a%2Fb%5Cc", "/a/b/c"),
        ("http://shop/a/./b", "/a/./b", "/a/b", "/a/b", "/a/b"),
        ("*", "*", "*", "*", "*"),
    ] {
        for (name, want) in [
            ("NONE", none),
            ("BASE", base),
            ("DEFAULT", base),
            ("MERGE_SLASHES", merge),
            ("DECODE_AND_MERGE_SLASHES", decode),
        ] {
            let script = Script::new([]);
            let asked = Request::builder().method("OPTIONS").uri(path).body(()).unwrap();
            level(name).layer(script.clone()).oneshot(asked).await.unwrap();
            let seen = script.seen.lock()[0].uri().clone();
            assert_eq!(seen.path_and_query().unwrap().as_str(), want, "{path} under {name}");
            assert_eq!(seen.authority().is_some(), path.starts_with("http"));
        }
    }
    assert!(serde_json::from_value::<NormalizePathSpec>(json!({"normalization": "SOME"})).is_err());
}

#[tokio::test]
async fn a_path_that_cannot_be_read_in_one_way_is_a_400() {
    let script = Script::new([]);
    let svc = NormalizePathLayer::default().layer(script.clone());
    let error = svc.oneshot(request("/a%00b", None)).await.unwrap_err();
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status.as_u16(), &*rejection.details), (400, "path_normalization_failed"));
    assert!(rejection.flags.is_empty() && script.sent() == 0);
}

#[tokio::test]
async fn a_tunnel_has_no_path() {
    let script = Script::new([]);
    let tunnel = Request::builder().method("CONNECT").uri("shop:443").body(()).unwrap();
    NormalizePathLayer::default().layer(script.clone()).oneshot(tunnel).await.unwrap();
    assert_eq!(script.seen.lock()[0].uri(), "shop:443");
}

proptest! {
    /// Whatever the path, the rule and the application see one that stays as it is when it is made canonical again.
    #[test]
    fn what_is_canonical_stays_so(path in "/[a-c./%25fFC\\\\]{0,24}", level in 0..4_usize) {
        use PathNormalization::*;
        let layer = NormalizePathLayer::new([None, Base, MergeSlashes, DecodeAndMergeSlashes][level]);
        let Ok(mut asked) = Request::get(&path).body(()) else { return Ok(()) };
        if layer.apply(&mut asked).is_ok() {
            let once = asked.uri().clone();
            prop_assert!(once.path().starts_with('/'));
            prop_assert!(level == 0 || !once.path().split('/').any(|part| part == ".."), "{}", once);
            prop_assert!(level < 2 || !once.path().contains("//"), "{}", once);
            prop_assert_eq!(layer.apply(&mut asked), Ok(()));
            prop_assert_eq!(asked.uri(), &once);
        }
    }
}
