//! What is spoken on a port, and how Istio tells from its name.

use std::fmt;

/// The protocol of a port, by Istio's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Not declared: the first bytes tell HTTP from others.
    #[default]
    Unsupported,
    /// HTTP/1.1, or HTTP/2 by prior knowledge of the caller.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// A listener that takes requests in proxy form for any host.
    HttpProxy,
    /// TLS that is passed through; what is inside stays unseen.
    Https,
    /// TLS that is passed through.
    Tls,
    /// Bytes.
    Tcp,
    /// Datagrams.
    Udp,
    /// MongoDB.
    Mongo,
    /// Redis.
    Redis,
    /// MySQL.
    Mysql,
}

impl Protocol {
    /// Reads a protocol as ServiceEntry, Gateway and Sidecar write it, without case; `None` if no mesh
    /// knows it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" | "grpc_web" => Self::GrpcWeb,
            "http_proxy" => Self::HttpProxy,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::Mysql,
            _ => return None,
        })
    }

    /// The protocol of a Kubernetes service's port: `UDP` stays UDP, then `appProtocol` decides, then the
    /// name (`<protocol>` or `<protocol>-<suffix>`), then the number.
    ///
    /// ```
    /// use mesh_core::registry::Protocol;
    /// assert_eq!(Protocol::of_port(9080, "http-reviews", "TCP", None), Protocol::Http);
    /// assert_eq!(Protocol::of_port(80, "", "TCP", Some("kubernetes.io/h2c")), Protocol::Http2);
    /// assert_eq!(Protocol::of_port(3306, "db", "TCP", None), Protocol::Tcp);
    /// assert_eq!(Protocol::of_port(9080, "web", "TCP", None), Protocol::Unsupported);
    /// ```
    pub fn of_port(number: u16, name: &str, transport: &str, app_protocol: Option<&str>) -> Self {
        if transport.eq_ignore_ascii_case("UDP") {
            return Self::Udp;
        }
        let declared = match app_protocol.map(str::to_ascii_lowercase).as_deref() {
            Some("kubernetes.io/h2c") => Some(Self::Http2),
            Some("kubernetes.io/ws") => Some(Self::Http),
            Some("kubernetes.io/wss") => Some(Self::Https),
            // As in Istio, an appProtocol that is not known leaves the port undeclared; its name is not asked.
            Some(other) => Self::parse(other),
            None => Self::of_name(name),
        };
        match declared {
            // UDP has been told by the transport; a name alone cannot make it.
            Some(Self::Udp) | None => Self::of_number(number),
            Some(protocol) => protocol,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        // Before the cut at the dash, which would leave `grpc`.
        if name == "grpc-web" || name.starts_with("grpc-web-") {
            return Some(Self::GrpcWeb);
        }
        Self::parse(name.split('-').next().unwrap_or_default())
    }

    /// Ports whose servers speak first: sniffing would wait for a caller that waits for the server.
    fn of_number(number: u16) -> Self {
        match number {
            25 | 53 | 3306 | 27017 => Self::Tcp,
            _ => Self::Unsupported,
        }
    }

    /// Istio's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "UnsupportedProtocol",
            Self::Http => "HTTP",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-Web",
            Self::HttpProxy => "HTTP_PROXY",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Mongo => "Mongo",
            Self::Redis => "Redis",
            Self::Mysql => "MySQL",
        }
    }

    /// Whether requests can be seen: HTTP in any form.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb | Self::HttpProxy)
    }

    /// Whether it is HTTP/2 for certain.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether it is TLS of the application's own, passed through.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether only bytes can be seen, TLS included.
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Https | Self::Tls | Self::Mongo | Self::Redis | Self::Mysql)
    }

    /// Whether the first bytes must be looked at.
    pub fn is_unsupported(self) -> bool {
        self == Self::Unsupported
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol::{self, *};

    #[test]
    fn the_prefix_of_a_ports_name_declares_its_protocol_without_case() {
        let by_name = |name| Protocol::of_port(9080, name, "TCP", None);
        assert_eq!(
            [
                "http",
                "HTTP-web",
                "http2-a",
                "grpc",
                "grpc-web",
                "grpc-web-x",
                "grpc-webby",
                "https-a",
                "tcp-x"
            ]
            .map(by_name),
            [Http, Http, Http2, Grpc, GrpcWeb, GrpcWeb, Grpc, Https, Tcp]
        );
        assert_eq!(["web", "httpx", "", "-http"].map(by_name), [Unsupported; 4]);
    }

    #[test]
    fn app_protocol_beats_the_name_and_udp_beats_both() {
        assert_eq!(Protocol::of_port(80, "http", "TCP", Some("tcp")), Tcp);
        assert_eq!(Protocol::of_port(80, "http", "TCP", Some("kubernetes.io/wss")), Https);
        assert_eq!(Protocol::of_port(80, "http", "TCP", Some("example.com/own")), Unsupported);
        assert_eq!(Protocol::of_port(80, "http", "UDP", Some("http")), Udp);
    }

    #[test]
    fn ports_whose_server_speaks_first_are_not_sniffed() {
        assert_eq!([25, 53, 3306, 27017].map(|n| Protocol::of_port(n, "x", "TCP", None)), [Tcp; 4]);
        assert_eq!(Protocol::of_port(3306, "http-odd", "TCP", None), Http);
    }

    #[test]
    fn every_name_but_the_undeclared_ones_reads_back() {
        for p in [Http, Http2, Grpc, GrpcWeb, HttpProxy, Https, Tls, Tcp, Udp, Mongo, Redis, Mysql] {
            assert_eq!(Protocol::parse(p.as_str()), Some(p));
        }
        assert_eq!(Protocol::parse("sctp"), None);
    }
}
