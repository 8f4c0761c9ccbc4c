use super::*;
use crate::load::Recent;

fn line(name: &str, service: &str, version: &str, more: &str, value: u32) -> String {
    format!(
        "{name}{{reporter=\"destination\",destination_canonical_service=\"{service}\",\
         destination_canonical_revision=\"{version}\",response_code=\"200\",\
         connection_security_policy=\"mutual_tls\"{more}}} {value}\n"
    )
}

fn exposition(service: &str, version: &str, fast: u32, slow: u32) -> String {
    let mut text =
        String::from("# HELP istio_requests_total Requests.\n# TYPE istio_requests_total counter\n");
    text += &line("istio_requests_total", service, version, "", fast + slow);
    let bucket = "istio_request_duration_milliseconds_bucket";
    for (le, n) in [("5", 0), ("10", fast), ("1000", fast), ("2500", fast + slow), ("+Inf", fast + slow)] {
        text += &line(bucket, service, version, &format!(",le=\"{le}\""), n);
    }
    text
}

fn scrapes(proxies: &[(&str, String)]) -> BTreeMap<String, Scrape> {
    proxies.iter().map(|(name, text)| ((*name).to_owned(), Scrape::parse(text))).collect()
}

#[test]
fn the_table_shows_what_happened_in_the_window() {
    let mut window = Window::new(Duration::from_secs(2));
    let t0 = Instant::now();
    window.push(
        t0,
        scrapes(&[("a", exposition("reviews", "v1", 1000, 0)), ("b", exposition("reviews", "v2", 7, 0))]),
    );
    window.push(
        t0 + Duration::from_secs(2),
        scrapes(&[("a", exposition("reviews", "v1", 1090, 0)), ("b", exposition("reviews", "v2", 16, 1))]),
    );
    let rows = window.rows();
    assert_eq!(
        render(&rows, Style::Plain),
        "SERVICE  VERSION  RATE/s  SUCCESS  CODE  P50(ms)  P99(ms)    mTLS  SHARE\n\
         reviews  v1         45.0   100.0%     -      7.5      9.9  100.0%  90.0%\n\
         reviews  v2          5.0   100.0%     -      7.8     2350  100.0%  10.0%\n"
    );
}

#[test]
fn users_see_what_they_wait_for_before_it_has_ended() {
    let ms = Duration::from_millis;
    let waiting = Recent { open: 4, oldest: Some(ms(910)), ..Recent::default() };
    let served = Recent { ended: 90, good: 45, p50: Some(ms(3)), p99: Some(ms(2000)), open: 0, oldest: None };
    assert_eq!(
        render_users(&[("anonymous", served), ("jason", waiting)], ms(2000), Style::Plain),
        "USER       RATE/s  SUCCESS  P50(ms)  P99(ms)  WAITING  LONGEST(ms)\n\
         anonymous    45.0    50.0%      3.0     2000        0            -\n\
         jason         0.0        -        -        -        4          910\n"
    );
}

#[test]
fn a_version_that_nobody_has_called_has_a_row_if_it_is_known() {
    let mut window = Window::new(Duration::from_secs(1));
    window.expect("reviews", "v1");
    window.expect("reviews", "v3");
    let t0 = Instant::now();
    window.push(t0, scrapes(&[("a", exposition("reviews", "v1", 5, 0))]));
    window.push(t0 + Duration::from_secs(1), scrapes(&[("a", exposition("reviews", "v1", 9, 0))]));
    let rows: Vec<_> = window.rows().into_iter().map(|r| (r.version, r.requests, r.share)).collect();
    assert_eq!(rows, [("v1".to_owned(), 4.0, Some(1.0)), ("v3".to_owned(), 0.0, Some(0.0))]);
}

#[test]
fn a_restarted_window_shows_nothing_of_what_was_before() {
    let mut window = Window::new(Duration::from_secs(10));
    let t0 = Instant::now();
    let at = |tenths: u64| t0 + Duration::from_millis(tenths * 100);
    assert_eq!((window.since(), window.length()), (None, Duration::ZERO));
    window.restart();
    window.push(at(0), scrapes(&[("a", exposition("reviews", "v1", 0, 0))]));
    window.push(at(10), scrapes(&[("a", exposition("reviews", "v1", 1000, 0))]));
    window.restart();
    assert_eq!((window.since(), window.rows()[0].requests), (Some(at(10)), 0.0));
    window.push(at(15), scrapes(&[("a", exposition("reviews", "v1", 1006, 0))]));
    assert_eq!((window.length(), window.rows()[0].rate), (Duration::from_millis(500), 12.0));
}

#[test]
fn colours_mark_what_is_not_as_it_should_be() {
    let row = Row {
        service: "ratings".into(),
        version: "v1".into(),
        requests: 2000.0,
        rate: 10.0,
        success: Some(0.9999),
        failure: Some("503".into()),
        p50: Some(1.25),
        p99: None,
        mtls: Some(1.0),
        share: Some(1.0),
    };
    let text = render(std::slice::from_ref(&row), Style::Color);
    assert!(text.contains("\x1b[31m99.9%\x1b[0m"), "almost all is not all: {text}");
    assert!(text.contains("\x1b[32m100.0%\x1b[0m") && text.contains("\x1b[2m-\x1b[0m"));
    assert!(!render(&[row], Style::Plain).contains('\x1b'));
}

#[test]
fn failures_plain_text_and_denials_are_seen() {
    let text = "istio_requests_total{reporter=\"destination\",destination_canonical_service=\"details\",\
                destination_canonical_revision=\"v1\",response_code=\"403\",\
                connection_security_policy=\"none\"} 3\n";
    let mut window = Window::new(Duration::from_secs(1));
    let t0 = Instant::now();
    window.push(t0, scrapes(&[("a", String::new())]));
    window.push(t0 + Duration::from_secs(1), scrapes(&[("a", text.to_owned())]));
    let rows = window.rows();
    assert_eq!((rows[0].success, rows[0].mtls, rows[0].p50), (Some(0.0), Some(0.0), None));
    assert_eq!(rows[0].failure.as_deref(), Some("403"));
}

#[test]
fn the_code_is_that_of_most_failures_in_the_window_or_their_flags_where_there_is_none() {
    let text = |codes: &[(&str, &str, u32)]| -> String {
        let line = |(code, flags, n): &(&str, &str, u32)| {
            format!(
                "istio_requests_total{{reporter=\"destination\",destination_canonical_service=\"details\",\
                 destination_canonical_revision=\"v1\",response_code=\"{code}\",response_flags=\"{flags}\"}} {n}\n"
            )
        };
        codes.iter().map(line).collect()
    };
    let mut window = Window::new(Duration::from_secs(9));
    let t0 = Instant::now();
    let mut after = |seconds, codes: &[(&str, &str, u32)]| {
        window.push(t0 + Duration::from_secs(seconds), scrapes(&[("a", text(codes))]));
        window.rows()[0].failure.clone()
    };
    assert_eq!(after(0, &[("403", "-", 900), ("200", "-", 5)]), None);
    assert_eq!(after(1, &[("403", "-", 900), ("200", "-", 9)]), None, "what was before does not count");
    assert_eq!(after(2, &[("403", "-", 901), ("503", "UF", 2), ("200", "-", 9)]).as_deref(), Some("503"));
    assert_eq!(after(3, &[("403", "-", 901), ("503", "UF", 2), ("0", "DC", 4)]).as_deref(), Some("DC"));
}

#[test]
fn the_shares_of_one_service_are_rounded_and_add_up() {
    let row = |service: &str, share| Row {
        service: service.into(),
        version: "v1".into(),
        requests: 1.0,
        rate: 1.0,
        success: None,
        failure: None,
        p50: None,
        p99: None,
        mtls: None,
        share,
    };
    let shown = |shares: &[(&str, Option<f64>)]| -> Vec<String> {
        let rows: Vec<Row> = shares.iter().map(|(service, share)| row(service, *share)).collect();
        let text = render(&rows, Style::Plain);
        text.lines().skip(1).filter_map(|line| Some(line.split_whitespace().last()?.to_owned())).collect()
    };
    let third = Some(1.0 / 3.0);
    let (most, least) = (Some(0.8999), Some(0.1001));
    assert_eq!(
        shown(&[("a", most), ("a", least), ("b", third), ("b", third), ("b", third), ("c", None)]),
        ["90.0%", "10.0%", "33.4%", "33.3%", "33.3%", "-"]
    );
    assert_eq!(shown(&[("a", Some(0.9)), ("a", Some(0.1)), ("a", Some(0.0))]), ["90.0%", "10.0%", "0.0%"]);
}

#[test]
fn a_request_that_reached_nobody_is_counted_by_its_caller() {
    let source = |service: &str, name: &str, n: u32| {
        format!(
            "istio_requests_total{{reporter=\"source\",destination_service_name=\"{name}\",\
             destination_canonical_service=\"{service}\",response_code=\"500\",response_flags=\"FI\"}} {n}\n"
        )
    };
    // What did arrive is told by the destination, and must not be counted twice.
    let text =
        source("unknown", "ratings", 4) + &source("ratings", "ratings", 9) + &source("unknown", "unknown", 1);
    let mut window = Window::new(Duration::from_secs(1));
    let t0 = Instant::now();
    window.push(t0, scrapes(&[("a", String::new())]));
    window.push(t0 + Duration::from_secs(1), scrapes(&[("a", text)]));
    let rows = window.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].service.as_str(), rows[0].version.as_str(), rows[0].requests), ("ratings", "-", 4.0));
    assert_eq!((rows[0].success, rows[0].mtls), (Some(0.0), None));
}

#[test]
fn a_restarted_proxy_and_a_missing_scrape_do_not_make_rates_jump() {
    let mut window = Window::new(Duration::from_secs(10));
    let t0 = Instant::now();
    let at = |s| t0 + Duration::from_secs(s);
    window.push(at(0), scrapes(&[("a", exposition("reviews", "v1", 1000, 0))]));
    window.push(at(1), BTreeMap::new());
    window.push(at(2), scrapes(&[("a", exposition("reviews", "v1", 1010, 0))]));
    assert_eq!(window.rows()[0].requests, 10.0);
    window.push(at(3), scrapes(&[("a", exposition("reviews", "v1", 4, 0))]));
    assert_eq!(window.rows()[0].requests, 4.0);
}

#[test]
fn a_window_forgets_what_is_older() {
    let mut window = Window::new(Duration::from_secs(2));
    let t0 = Instant::now();
    for s in 0..10u32 {
        window.push(
            t0 + Duration::from_secs(s.into()),
            scrapes(&[("a", exposition("reviews", "v1", s * 10, 0))]),
        );
    }
    let row = &window.rows()[0];
    assert_eq!((row.requests, row.rate), (20.0, 10.0));
}

#[test]
fn escaped_labels_and_foreign_lines_are_read_over() {
    let text = "a 1\nb{ 2\nistio_requests_total{reporter=\"destination\",x=\"\\\"},{\\\\\",\
                destination_canonical_service=\"s\\n\",destination_canonical_revision=\"v\",\
                response_code=\"200\"} 5 1700000000\nistio_requests_total{reporter=\"destination\n\
                istio_requests_total{reporter=\"destination\"} many\n";
    let scrape = Scrape::parse(text);
    let (key, counts) = scrape.iter().next().unwrap();
    assert_eq!((key.service.as_str(), counts.requests, counts.successes), ("s\n", 5.0, 5.0));
    assert_eq!(scrape.iter().count(), 1);
}
