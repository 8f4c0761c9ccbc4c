//! Which filter chain takes a connection. Envoy's order, without going back.
//!
//! Destination port, destination address, server name, transport, application protocol, source: at each
//! step only the most specific matches stay, and if none matches, the default chain takes the connection,
//! even if a less specific branch would have matched further on.

use ipnet::IpNet;
use mesh_core::model::listener::{ChainMatch, Transport};
use std::net::{IpAddr, SocketAddr};

/// What is known of a connection when its chain is chosen.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Where it was sent to, before a redirect where the listener says so.
    pub(crate) destination: SocketAddr,
    /// Where it came from.
    pub(crate) source: IpAddr,
    /// What the inspectors found; plain where none looked.
    pub(crate) transport: Transport,
    /// The server name in the TLS hello, lower-case.
    pub(crate) server_name: Option<String>,
    /// ALPN of the TLS hello, or what the HTTP inspector found.
    pub(crate) protocols: Vec<String>,
}

/// How specific a match is at one step; `None` does not match.
type Step<'s> = dyn Fn(&ChainMatch) -> Option<usize> + 's;

/// The index of the chain that a connection takes.
pub(crate) fn choose<'m>(chains: impl IntoIterator<Item = &'m ChainMatch>, facts: &Facts) -> Option<usize> {
    let mut left: Vec<(usize, &ChainMatch)> = chains.into_iter().enumerate().collect();
    let steps: [&Step<'_>; 6] = [
        &|m| match m.destination_port {
            None => Some(0),
            Some(port) => (port == facts.destination.port()).then_some(1),
        },
        &|m| longest(&m.destination, facts.destination.ip()),
        &|m| server_name(&m.server_names, facts.server_name.as_deref()),
        &|m| match m.transport {
            None => Some(0),
            Some(transport) => (transport == facts.transport).then_some(1),
        },
        &|m| {
            if m.application_protocols.is_empty() {
                return Some(0);
            }
            m.application_protocols.iter().any(|p| facts.protocols.contains(p)).then_some(1)
        },
        &|m| longest(&m.source, facts.source),
    ];
    for step in steps {
        let ranked: Vec<_> = left.iter().filter_map(|(i, m)| step(m).map(|rank| (rank, *i, *m))).collect();
        let best = ranked.iter().map(|(rank, ..)| *rank).max()?;
        left = ranked.into_iter().filter(|(rank, ..)| *rank == best).map(|(_, i, m)| (i, m)).collect();
    }
    left.first().map(|(i, _)| *i)
}

/// The length of the longest prefix that holds an address, plus one; no prefix at all holds every address.
fn longest(nets: &[IpNet], ip: IpAddr) -> Option<usize> {
    if nets.is_empty() {
        return Some(0);
    }
    nets.iter().filter(|net| net.contains(&ip)).map(|net| usize::from(net.prefix_len()) + 1).max()
}

/// An exact name before a longer wildcard before a shorter one before none.
fn server_name(wanted: &[String], name: Option<&str>) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    let name = name?;
    let rank = |want: &String| match want.strip_prefix('*') {
        Some(suffix) => {
            let end = name.len().checked_sub(suffix.len()).filter(|at| *at > 0).and_then(|at| name.get(at..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(suffix)).then_some(suffix.len() + 1)
        }
        None => want.eq_ignore_ascii_case(name).then_some(usize::MAX),
    };
    wanted.iter().filter_map(rank).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            destination: "10.0.0.5:9080".parse().unwrap(),
            source: "10.1.2.3".parse().unwrap(),
            transport: Transport::Tls,
            server_name: Some("a.example.com".to_owned()),
            protocols: vec!["istio".to_owned()],
        }
    }

    fn any() -> ChainMatch {
        ChainMatch::default()
    }

    #[test]
    fn permissive_mtls_takes_tls_to_one_chain_and_plain_to_the_other() {
        let tls = ChainMatch {
            transport: Some(Transport::Tls),
            application_protocols: vec!["istio".into(), "istio-h2".into()],
            ..any()
        };
        let plain = ChainMatch { transport: Some(Transport::Plain), ..any() };
        let chains = [tls, plain];
        assert_eq!(choose(&chains, &facts()), Some(0));
        assert_eq!(choose(&chains, &Facts { transport: Transport::Plain, ..facts() }), Some(1));
        assert_eq!(choose(&chains, &Facts { protocols: vec!["h2".into()], ..facts() }), None);
    }

    #[test]
    fn a_more_specific_step_wins_and_is_not_gone_back_on() {
        let port = ChainMatch {
            destination_port: Some(9080),
            server_names: vec!["other.example.com".into()],
            ..any()
        };
        let wide = ChainMatch { server_names: vec!["*.example.com".into()], ..any() };
        assert_eq!(choose(&[port, wide.clone()], &facts()), None, "as in Envoy");
        let exact = ChainMatch { server_names: vec!["a.example.com".into()], ..any() };
        assert_eq!(choose(&[any(), wide, exact], &facts()), Some(2));
    }

    #[test]
    fn the_case_of_a_server_name_does_not_matter() {
        let named = |name: &str| ChainMatch { server_names: vec![name.into()], ..any() };
        let chains = [named("*.EXAMPLE.com"), named("A.Example.com")];
        assert_eq!(choose(&chains, &facts()), Some(1));
        assert_eq!(choose(&chains[..1], &facts()), Some(0));
        let at = |name: &str| choose(&chains[..1], &Facts { server_name: Some(name.into()), ..facts() });
        assert_eq!(at("b.c.Example.COM"), Some(0));
        assert_eq!(at(".example.com"), None, "the star stands for something");
        assert_eq!(at("é.example.org"), None);
    }

    #[test]
    fn the_longest_prefix_of_either_end_wins() {
        let net = |s: &str| vec![s.parse().unwrap()];
        let chains = [
            ChainMatch { destination: net("10.0.0.0/8"), ..any() },
            ChainMatch { destination: net("10.0.0.0/24"), source: net("10.9.0.0/16"), ..any() },
            ChainMatch { destination: net("10.0.0.0/24"), source: net("10.1.0.0/16"), ..any() },
        ];
        assert_eq!(choose(&chains, &facts()), Some(2));
    }
}
