//! The layers as a file describes them: each has a spec, which becomes the layer or says what is wrong with it.

use mesh_policy::authz::{AuthzLayer, AuthzSpec, NormalizePathLayer, NormalizePathSpec};
use mesh_policy::breaker::classic::{CircuitLayer, CircuitSpec};
use mesh_policy::breaker::{BreakerLayer, BreakerSpec};
use mesh_policy::fault::{FaultLayer, FaultSpec};
use mesh_policy::ratelimit::{LocalRateLimitLayer, LocalRateLimitSpec};
use mesh_policy::retry::{RetryLayer, RetrySpec};
use mesh_policy::timeout::{AttemptTimeoutLayer, TimeoutLayer, TimeoutSpec, Timeouts};
use mesh_policy::{BoxError, SpecError};
use serde::Deserialize;
use std::path::Path;

/// What holds without `--policies`.
const DEFAULT: &str = include_str!("../policies.yaml");

/// The shape of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: ServerSpec,
    client: ClientSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServerSpec {
    path_normalization: NormalizePathSpec,
    rate_limit: LocalRateLimitSpec,
    authorization: AuthzSpec,
    fault: FaultSpec,
    breaker: BreakerSpec,
    timeout: TimeoutSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientSpec {
    retry: RetrySpec,
    timeout: TimeoutSpec,
    circuit: CircuitSpec,
}

/// The layers in front of the server.
pub(crate) struct Server {
    pub(crate) normalize_path: NormalizePathLayer,
    pub(crate) rate_limit: LocalRateLimitLayer,
    pub(crate) authz: AuthzLayer,
    pub(crate) fault: FaultLayer,
    pub(crate) breaker: BreakerLayer,
    pub(crate) timeout: TimeoutLayer,
}

/// The layers around the client.
pub(crate) struct Client {
    pub(crate) retry: RetryLayer,
    pub(crate) attempt_timeout: AttemptTimeoutLayer,
    pub(crate) circuit: CircuitLayer,
}

/// Reads a file, or what is built in. An error names the file, and the line or the field.
pub(crate) fn read(file: Option<&Path>) -> Result<(Server, Client), BoxError> {
    let Some(path) = file else { return parse(DEFAULT) };
    let within = |error: BoxError| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| within(error.into()))?;
    Ok(parse(&text).map_err(within)?)
}

fn parse(text: &str) -> Result<(Server, Client), BoxError> {
    let File { server, client } = serde_saphyr::from_str(text)?;
    let server = Server {
        normalize_path: layer(server.path_normalization, "server.pathNormalization")?,
        rate_limit: layer(server.rate_limit, "server.rateLimit")?,
        authz: layer(server.authorization, "server.authorization")?,
        fault: layer(server.fault, "server.fault")?,
        breaker: layer(server.breaker, "server.breaker")?,
        timeout: layer::<_, Timeouts>(server.timeout, "server.timeout")?.request,
    };
    let client = Client {
        retry: layer(client.retry, "client.retry")?,
        attempt_timeout: layer::<_, Timeouts>(client.timeout, "client.timeout")?.attempt,
        circuit: layer(client.circuit, "client.circuit")?,
    };
    Ok((server, client))
}

fn layer<Spec, Layer>(spec: Spec, field: &str) -> Result<Layer, SpecError>
where
    Layer: TryFrom<Spec, Error = SpecError>,
{
    spec.try_into().map_err(|error: SpecError| error.under(field))
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT, parse};

    fn error(from: &str, to: &str) -> String {
        assert!(DEFAULT.contains(from), "{from}");
        parse(&DEFAULT.replacen(from, to, 1)).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_file_that_is_built_in_is_right() {
        parse(DEFAULT).map(drop).unwrap();
    }

    #[test]
    fn a_value_that_cannot_be_is_named_by_its_field() {
        assert_eq!(
            error("http2MaxRequests: 2", "http2MaxRequests: 0"),
            "server.breaker.default.http2MaxRequests: must be at least 1; leave it out for no bound",
        );
        assert_eq!(
            error("retryOn: unavailable", "retryOn: sometimes"),
            r#"client.retry.retryOn: "sometimes" is neither a condition of Envoy's nor a status code"#,
        );
        let policy = error("action: DENY", "action: FORBID");
        assert!(policy.starts_with("server.authorization.policies[0].spec.action: "), "{policy}");
    }

    #[test]
    fn a_field_that_does_not_exist_is_named_by_its_line() {
        let unknown = error("openTime", "opnTime");
        let line = DEFAULT.lines().position(|line| line.contains("openTime")).unwrap() + 1;
        assert!(unknown.contains("opnTime") && unknown.contains(&line.to_string()), "{unknown}");
    }
}
