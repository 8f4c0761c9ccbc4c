//! What tests of several pages start from: one cluster with three endpoints, a credential, a proxy that
//! does nothing but note what it is asked for.

use super::Admin;
use super::source::Source;
use crate::control::{ListenerStatus, State};
use crate::engine::Input;
use crate::proxy::Settings;
use crate::shared::{ClusterShared, HostShared, Shared};
use mesh_core::addr::Address;
use mesh_core::credential::Credential;
use mesh_core::model::cluster::{
    Balance, CircuitLimits, Cluster, ClusterTransport, Discovery, OutlierDetection, UpstreamHttp,
};
use mesh_core::model::endpoint::{Endpoint, Endpoints, Health, Locality};
use mesh_core::model::values::Fraction;
use mesh_core::model::{Name, Snapshot};
use mesh_core::node::{Node, NodeKind};
use mesh_core::watch::Watch;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

pub(super) const CLUSTER: &str = "outbound|80||a.default.svc.cluster.local";
pub(super) const SPIFFE: &str = "spiffe://cluster.local/ns/default/sa/a";

/// A configuration with one cluster, and the state that workers would have made for it.
pub(super) struct Mesh {
    pub(super) shared: Arc<Shared>,
    pub(super) cluster: Arc<ClusterShared>,
    config: Arc<Cluster>,
    endpoints: Endpoints,
    /// Workers hold the hosts that are in use.
    hosts: BTreeMap<String, Arc<HostShared>>,
}

impl Mesh {
    pub(super) fn new() -> Self {
        Self::named(CLUSTER)
    }

    /// With a cluster of this name.
    pub(super) fn named(name: &str) -> Self {
        let at = |address: &str| Endpoint::at(address.parse::<Address>().unwrap());
        let near = Locality {
            region: "r".into(),
            zone: "z".into(),
            sub_zone: "s".into(),
            endpoints: vec![Endpoint { weight: 3, ..at("10.0.0.1:80") }, at("10.0.0.2:80")],
            ..Locality::default()
        };
        let far = Locality {
            priority: 1,
            endpoints: vec![Endpoint { health: Health::Draining, ..at("unix:/run/app.sock") }],
            ..Locality::default()
        };
        let config = Arc::new(Cluster {
            name: name.into(),
            discovery: Discovery::Eds(name.into()),
            balance: Balance::RoundRobin,
            connect_timeout: Duration::from_secs(10),
            limits: CircuitLimits { max_connections: 7, ..CircuitLimits::default() },
            high_limits: None,
            outlier: Some(OutlierDetection {
                consecutive_5xx: 1,
                max_ejection_percent: Fraction::ONE,
                ..OutlierDetection::default()
            }),
            transport: ClusterTransport::Plain,
            http: UpstreamHttp::default(),
            panic_threshold: Fraction::ZERO,
            keepalive: None,
            services: Vec::new(),
            origin: None,
        });
        let shared = Arc::<Shared>::default();
        let cluster = shared.cluster(&config);
        let endpoints = Endpoints { name: name.into(), localities: vec![near, far] };
        let hosts = endpoints.iter().map(|e| (e.address.to_string(), cluster.host(&e.address))).collect();
        Self { shared, cluster, config, endpoints, hosts }
    }

    pub(super) fn host(&self, address: &str) -> Arc<HostShared> {
        self.hosts[address].clone()
    }

    pub(super) fn remove(&mut self, address: &str) {
        for locality in &mut self.endpoints.localities {
            locality.endpoints.retain(|e| e.address.to_string() != address);
        }
        self.hosts.remove(address);
    }

    pub(super) fn input(&self) -> Arc<Input> {
        let snapshot = Snapshot {
            version: "v7".to_owned(),
            clusters: [(self.config.name.clone(), self.config.clone())].into(),
            endpoints: [(self.config.name.clone(), Arc::new(self.endpoints.clone()))].into(),
            ..Snapshot::default()
        };
        Arc::new(Input { snapshot: Arc::new(snapshot), ..Input::default() })
    }

    /// The pages of a proxy that serves this configuration, and a look at what it is asked for.
    pub(super) fn admin(&self, change: impl FnOnce(&mut Settings)) -> (Admin, Arc<Mutex<Fake>>) {
        let fake = Arc::new(Mutex::new(Fake {
            input: Some(self.input()),
            state: State::Live,
            listeners: [("in".into(), ListenerStatus::Bound("127.1.0.4:9080".parse().unwrap()))].into(),
            asked: Vec::new(),
        }));
        let mut settings = Settings::new(node());
        settings.workers = 2;
        change(&mut settings);
        let identity = Watch::fixed(Arc::new(credential()));
        (Admin::over(settings, identity, self.shared.clone(), Box::new(fake.clone())), fake)
    }
}

pub(super) fn node() -> Node {
    let mut node = Node::new(NodeKind::Sidecar, [127, 1, 0, 4].into(), "a-v1", "default");
    node.labels = [("app".to_owned(), "a".to_owned())].into();
    node
}

/// A proxy that notes what it is asked for.
pub(super) struct Fake {
    pub(super) input: Option<Arc<Input>>,
    pub(super) state: State,
    pub(super) listeners: BTreeMap<Name, ListenerStatus>,
    pub(super) asked: Vec<&'static str>,
}

impl Source for Arc<Mutex<Fake>> {
    fn input(&self) -> Option<Arc<Input>> {
        self.lock().input.clone()
    }

    fn listeners(&self) -> BTreeMap<Name, ListenerStatus> {
        self.lock().listeners.clone()
    }

    fn state(&self) -> State {
        self.lock().state
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(61)
    }

    fn quit(&self) -> bool {
        self.lock().asked.push("quit");
        true
    }

    fn drain_listeners(&self) -> bool {
        self.lock().asked.push("drain");
        true
    }
}

/// A leaf for ten days from the first of January 2026, under a root for the whole year.
pub(super) fn credential() -> Credential {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, SerialNumber};
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.not_before = rcgen::date_time_ymd(2026, 1, 1);
    root.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::default();
    leaf.not_before = rcgen::date_time_ymd(2026, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2026, 1, 11);
    leaf.serial_number = Some(SerialNumber::from(vec![0xb1, 2, 3, 4]));
    leaf.subject_alt_names = vec![
        SanType::URI(SPIFFE.try_into().unwrap()),
        SanType::DnsName("a.example".try_into().unwrap()),
        SanType::IpAddress([127, 1, 0, 4].into()),
    ];
    let leaf = leaf.signed_by(&key, &root).unwrap();
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    Credential {
        identity: SPIFFE.parse().unwrap(),
        chain: vec![leaf.der().to_vec()],
        key: key.serialize_der().into(),
        roots: vec![root.der().to_vec()],
        not_before: at(1_767_225_600),
        not_after: at(1_768_089_600),
        serial: "b1020304".to_owned(),
    }
}
