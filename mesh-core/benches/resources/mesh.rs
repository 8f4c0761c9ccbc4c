//! The text of a mesh: what teams of a larger company declare, with names of their own.

use std::fmt::Write;

/// So many resources as one text of YAML, a fourth of each kind.
pub(crate) fn text(count: usize) -> String {
    let mut out = String::new();
    for n in 0..count {
        let (team, app) = (n % 97, n / 4);
        // Writing to a String does not fail.
        let _ = match n % 4 {
            0 => virtual_service(&mut out, team, app),
            1 => destination_rule(&mut out, team, app),
            2 => service_entry(&mut out, team, app),
            _ => authorization_policy(&mut out, team, app),
        };
        out.push_str("---\n");
    }
    out
}

fn virtual_service(out: &mut String, team: usize, app: usize) -> std::fmt::Result {
    write!(
        out,
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: app-{app}
  namespace: team-{team}
  labels:
    owner: team-{team}
spec:
  hosts:
  - app-{app}.team-{team}.svc.cluster.local
  http:
  - name: canary
    match:
    - uri:
        prefix: /api/v{}
      headers:
        x-canary:
          exact: \"true\"
    route:
    - destination:
        host: app-{app}.team-{team}.svc.cluster.local
        subset: v2
    timeout: 2s
    retries:
      attempts: 2
      perTryTimeout: 500ms
      retryOn: connect-failure,refused-stream
  - name: default
    route:
    - destination:
        host: app-{app}.team-{team}.svc.cluster.local
        subset: v1
      weight: 90
    - destination:
        host: app-{app}.team-{team}.svc.cluster.local
        subset: v2
      weight: 10
",
        app % 7
    )
}

fn destination_rule(out: &mut String, team: usize, app: usize) -> std::fmt::Result {
    write!(
        out,
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: app-{app}
  namespace: team-{team}
spec:
  host: app-{app}.team-{team}.svc.cluster.local
  trafficPolicy:
    loadBalancer:
      simple: LEAST_REQUEST
    connectionPool:
      tcp: {{maxConnections: {}}}
    outlierDetection:
      consecutive5xxErrors: 7
      interval: 5m
      baseEjectionTime: 15m
  subsets:
  - name: v1
    labels: {{version: v1}}
  - name: v2
    labels: {{version: v2}}
",
        100 + app % 900
    )
}

fn service_entry(out: &mut String, team: usize, app: usize) -> std::fmt::Result {
    write!(
        out,
        "# What app-{app} of team-{team} calls outside.
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: partner-{app}
  namespace: team-{team}
spec:
  hosts:
  - partner-{app}.example.com
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
  - number: 443
    name: https
    protocol: TLS
"
    )
}

fn authorization_policy(out: &mut String, team: usize, app: usize) -> std::fmt::Result {
    write!(
        out,
        "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: app-{app}
  namespace: team-{team}
spec:
  selector:
    matchLabels:
      app: app-{app}
  action: ALLOW
  rules:
  - from:
    - source:
        principals: [cluster.local/ns/team-{team}/sa/web-{app}]
    to:
    - operation:
        methods: [GET, POST]
        paths: [\"/api/*\"]
"
    )
}
