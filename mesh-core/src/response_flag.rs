//! Why a response is as it is: Envoy's response flags.
//!
//! Policies set them on their errors, the proxy collects them, access logs and metrics print them.

use std::fmt;

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $short:literal,)*) => {
        /// One reason, by Envoy's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ResponseFlag { $($(#[$doc])* $name,)* }

        impl ResponseFlag {
            /// All, in the order in which Envoy prints them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Envoy's short name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $short,)* }
            }
        }
    };
}

flags! {
    /// The upstream's health check failed.
    FailedLocalHealthCheck = "LH",
    /// No endpoint is healthy.
    NoHealthyUpstream = "UH",
    /// The route's or the attempt's timeout.
    UpstreamRequestTimeout = "UT",
    /// This side reset the stream.
    LocalReset = "LR",
    /// The upstream reset the stream.
    UpstreamRemoteReset = "UR",
    /// No connection to the upstream.
    UpstreamConnectionFailure = "UF",
    /// The upstream closed the connection.
    UpstreamConnectionTermination = "UC",
    /// A circuit breaker is full.
    UpstreamOverflow = "UO",
    /// No route.
    NoRouteFound = "NR",
    /// A delay was injected.
    DelayInjected = "DI",
    /// An abort was injected.
    FaultInjected = "FI",
    /// Rate limited.
    RateLimited = "RL",
    /// Denied by an external authorization service.
    UnauthorizedExternalService = "UAEX",
    /// The rate-limit service failed.
    RateLimitServiceError = "RLSE",
    /// The caller closed the connection.
    DownstreamConnectionTermination = "DC",
    /// Retries are used up.
    UpstreamRetryLimitExceeded = "URX",
    /// The stream was idle too long.
    StreamIdleTimeout = "SI",
    /// A header that must be strict has an invalid value.
    InvalidEnvoyRequestHeaders = "IH",
    /// The caller broke the protocol.
    DownstreamProtocolError = "DPE",
    /// The upstream broke the protocol.
    UpstreamProtocolError = "UPE",
    /// The stream lasted too long.
    UpstreamMaxStreamDurationReached = "UMSDR",
    /// The route's cluster does not exist.
    NoClusterFound = "NC",
    /// The request lasted too long.
    DurationTimeout = "DT",
    /// The overload manager stopped it.
    OverloadManager = "OM",
    /// The name of the upstream could not be resolved.
    DnsResolutionFailed = "DF",
}

/// A set of [`ResponseFlag`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponseFlags(u32);

impl ResponseFlags {
    /// Adds one.
    pub fn insert(&mut self, flag: ResponseFlag) {
        self.0 |= 1 << (flag as u8);
    }

    /// Whether one is in the set.
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.0 & (1 << (flag as u8)) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags, in Envoy's order.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        ResponseFlag::ALL.iter().copied().filter(move |f| self.contains(*f))
    }
}

impl From<ResponseFlag> for ResponseFlags {
    fn from(flag: ResponseFlag) -> Self {
        let mut set = Self::default();
        set.insert(flag);
        set
    }
}

impl fmt::Display for ResponseFlags {
    /// Joined by commas; `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (i, flag) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_as_envoy_prints_them() {
        let mut set = ResponseFlags::from(ResponseFlag::UpstreamRetryLimitExceeded);
        set.insert(ResponseFlag::UpstreamConnectionFailure);
        assert_eq!(set.to_string(), "UF,URX");
        assert_eq!(ResponseFlags::default().to_string(), "-");
    }
}
