//! Where keys may be fetched from.
//!
//! A URI of keys comes from a policy, which many may write; what fetches them stands inside the network. So it
//! fetches from public addresses only, and from what its owner lists besides.

use http::Uri;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses keys may be fetched from. By default public ones only: no loopback, no private or link-local
/// network, and no service that tells a cloud's machines about themselves.
///
/// ```
/// use mesh_policy::jwt::AddressBounds;
/// let bounds = AddressBounds::default();
/// assert!(!bounds.allows("169.254.169.254".parse()?));
/// assert!(bounds.allow("10.8.0.0/16".parse()?).allows("10.8.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBounds {
    listed: Vec<IpNet>,
    any: bool,
}

impl AddressBounds {
    /// Any address at all, this machine's own too: for tests, and for policies that nobody else writes.
    pub fn dangerous_any() -> Self {
        Self { listed: Vec::new(), any: true }
    }

    /// Those of this network as well.
    #[must_use]
    pub fn allow(mut self, network: IpNet) -> Self {
        self.listed.push(network);
        self
    }

    /// Whether a connection may be made to an address.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.any || is_public(address) || self.listed.iter().any(|network| network.contains(&address))
    }

    /// Whether a URI may be asked, as far as it says by itself: the addresses of a name are for whoever looks
    /// them up to judge.
    pub fn allows_uri(&self, uri: &Uri) -> bool {
        let Some(host) = uri.host() else { return false };
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none_or(has_user) {
            return false;
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        match literal.parse::<IpAddr>() {
            Ok(address) => self.allows(address),
            Err(_) if self.any => true,
            Err(_) => !is_local_name(&host) && !looks_like_a_number(&host),
        }
    }
}

/// `https://good.example@evil.example/` is evil's.
fn has_user(authority: &http::uri::Authority) -> bool {
    authority.as_str().contains('@')
}

fn is_local_name(host: &str) -> bool {
    const CLOUDS: [&str; 4] =
        ["metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"];
    host == "localhost" || host.ends_with(".localhost") || CLOUDS.contains(&host)
}

/// `2130706433`, `0x7f.1` and their like, which some resolvers take for addresses.
fn looks_like_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    !last.is_empty() && (last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 224)
}

/// What carries an IPv4 address inside is judged by that.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b) {
        // IPv4-mapped, and what else stands below ::/32.
        (0, 0) => [c, d, e] == [0; 3] && f == 0xffff && is_public_v4(v4(g, h)),
        // NAT64.
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && is_public_v4(v4(g, h)),
        // 6to4.
        (0x2002, _) => is_public_v4(v4(b, c)),
        // Teredo, ORCHID, documentation.
        (0x2001, 0..0x200 | 0xdb8) => false,
        // Only this eighth of all addresses is given out.
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::AddressBounds;

    #[test]
    fn only_public_addresses_are_asked_unless_listed() {
        let bounds = AddressBounds::default();
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!bounds.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(bounds.allows(address.parse().unwrap()), "{address}");
        }
        assert!(bounds.clone().allow("10.0.0.0/8".parse().unwrap()).allows("10.1.2.3".parse().unwrap()));
        assert!(AddressBounds::dangerous_any().allows("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_uri_that_says_where_it_leads_is_judged_by_it() {
        let bounds = AddressBounds::default();
        for uri in [
            "http://localhost/jwks",
            "http://a.localhost./",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://metadata.google.internal/",
            "http://2130706433/",
            "http://127.1/",
            "http://0x7f.0x1/",
            "ftp://issuer.example/",
            "https://issuer.example@127.0.0.1/",
            "/jwks",
            "https://a@issuer.example/",
        ] {
            assert!(!bounds.allows_uri(&uri.parse().unwrap()), "{uri}");
        }
        for uri in ["https://issuer.example/jwks", "http://8.8.8.8/", "https://keys.0x-shop.example/"] {
            assert!(bounds.allows_uri(&uri.parse().unwrap()), "{uri}");
        }
    }
}
