//! The workloads of a World, and how far they are known: pods and entries, and what these will be made of.
//!
//! Files seldom hold every workload: many are deployed by other means. So whoever would say that a workload is
//! missing asks first whether the workloads of that namespace are [known](Workloads::known).

use crate::api::kubernetes::pod::{Pod, PodSpec};
use crate::api::kubernetes::workload::PodTemplate;
use crate::api::kubernetes::{CronJob, DaemonSet, Deployment, Job, ReplicaSet, Service, StatefulSet};
use crate::api::networking::{Gateway, WorkloadEntry, WorkloadGroup};
use crate::api::value::labels_match;
use crate::api::{Meta, Resource};
use crate::diagnostic::SourceMap;
use crate::world::World;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

type Labels = BTreeMap<String, String>;

/// A pod, an entry, or what pods and entries are made of.
#[derive(Debug)]
pub(super) struct Workload<'w> {
    pub(super) meta: &'w Meta,
    pub(super) source: &'w Arc<SourceMap>,
    pub(super) labels: Cow<'w, Labels>,
    /// Those of the pod.
    annotations: Option<&'w Labels>,
    /// Its service account.
    pub(super) account: &'w str,
    /// What the pod is to be; `None` for what is no pod.
    pub(super) spec: Option<&'w PodSpec>,
    /// The pod that there is.
    pub(super) pod: Option<&'w Pod>,
}

/// Label and annotation of a pod that is to have a sidecar, or none.
const INJECT: &str = "sidecar.istio.io/inject";

impl<'w> Workload<'w> {
    fn of_pod(pod: &'w Resource<Pod>) -> Self {
        Self {
            meta: &pod.meta,
            source: &pod.source,
            labels: Cow::Borrowed(&pod.meta.labels),
            annotations: Some(&pod.meta.annotations),
            account: account_of(&pod.spec.spec),
            spec: Some(&pod.spec.spec),
            pod: Some(&pod.spec),
        }
    }

    fn of_template<T>(resource: &'w Resource<T>, template: &'w PodTemplate) -> Self {
        Self {
            meta: &resource.meta,
            source: &resource.source,
            labels: Cow::Borrowed(&template.metadata.labels),
            annotations: Some(&template.metadata.annotations),
            account: account_of(&template.spec),
            spec: Some(&template.spec),
            pod: None,
        }
    }

    /// Where its [`spec`](Self::spec) stands.
    pub(super) fn spec_path(&self) -> &'static str {
        match &*self.meta.kind {
            "Pod" => "spec",
            "CronJob" => "spec.jobTemplate.spec.template.spec",
            _ => "spec.template.spec",
        }
    }

    /// What it says of its sidecar: that it is to have one, or none; `None` where it leaves that to its namespace.
    pub(super) fn wants_proxy(&self) -> Option<bool> {
        let said = self.labels.get(INJECT).or_else(|| self.annotations?.get(INJECT))?;
        Some(!said.eq_ignore_ascii_case("false"))
    }

    /// Whether it is in ambient mode: its own label, or its namespace's; a sidecar takes it out.
    pub(super) fn is_ambient(&self, namespace: Option<&Meta>) -> bool {
        if self.labels.get(INJECT).is_some_and(|v| v == "true") || self.has_proxy() {
            return false;
        }
        match self.labels.get(DATAPLANE_MODE) {
            Some(mode) => mode == "ambient",
            None => namespace.is_some_and(is_ambient),
        }
    }

    /// Whether it is a pod with a sidecar in it.
    pub(super) fn has_proxy(&self) -> bool {
        self.annotations.is_some_and(|a| a.contains_key("sidecar.istio.io/status"))
            || self.spec.is_some_and(|s| s.containers.iter().any(|c| c.name == "istio-proxy"))
    }
}

fn account_of(spec: &PodSpec) -> &str {
    let written = [&spec.service_account_name, &spec.service_account];
    written.into_iter().find(|a| !a.is_empty()).map_or("default", String::as_str)
}

/// Label that says which data plane serves a namespace or a pod.
pub(super) const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";

/// Whether a namespace is in ambient mode.
pub(super) fn is_ambient(namespace: &Meta) -> bool {
    namespace.labels.get(DATAPLANE_MODE).is_some_and(|mode| mode == "ambient")
}

/// Places of workloads, all of them and by label.
#[derive(Debug, Default)]
struct Shelf {
    all: Vec<usize>,
    by_label: HashMap<(String, String), Vec<usize>>,
}

impl Shelf {
    /// Those that may have these labels: the shortest list of one of them.
    fn candidates(&self, want: &Labels) -> &[usize] {
        if want.is_empty() {
            return &self.all;
        }
        let lists = want.iter().map(|(k, v)| self.by_label.get(&(k.clone(), v.clone())));
        let lists: Option<Vec<_>> = lists.collect();
        lists.and_then(|all| all.into_iter().min_by_key(|l| l.len())).map_or(&[], Vec::as_slice)
    }
}

/// The workloads of a World, by namespace and label.
#[derive(Debug, Default)]
pub(super) struct Workloads<'w> {
    all: Vec<Workload<'w>>,
    everywhere: Shelf,
    by_namespace: HashMap<&'w str, Shelf>,
    known: HashSet<&'w str>,
    gateways_known: bool,
}

impl<'w> Workloads<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let mut new = Self::default();
        new.all.extend(world.of::<Pod>().map(|r| Workload::of_pod(r)));
        new.all.extend(world.of::<Deployment>().map(|r| Workload::of_template(r, &r.spec.template)));
        new.all.extend(world.of::<StatefulSet>().map(|r| Workload::of_template(r, &r.spec.template)));
        new.all.extend(world.of::<DaemonSet>().map(|r| Workload::of_template(r, &r.spec.template)));
        new.all.extend(world.of::<ReplicaSet>().map(|r| Workload::of_template(r, &r.spec.template)));
        new.all.extend(world.of::<Job>().map(|r| Workload::of_template(r, &r.spec.template)));
        let jobs = world.of::<CronJob>();
        new.all.extend(jobs.map(|r| Workload::of_template(r, &r.spec.job_template.spec.template)));
        let merged = |meta: &Labels, spec: &Labels| {
            let mut labels = meta.clone();
            labels.extend(spec.clone());
            Cow::Owned(labels)
        };
        let account = |text: &'w str| if text.is_empty() { "default" } else { text };
        for entry in world.of::<WorkloadEntry>() {
            new.all.push(Workload {
                meta: &entry.meta,
                source: &entry.source,
                labels: merged(&entry.meta.labels, &entry.spec.labels),
                annotations: None,
                account: account(&entry.spec.service_account),
                spec: None,
                pod: None,
            });
        }
        for group in world.of::<WorkloadGroup>() {
            let of_each = group.spec.metadata.as_ref().map(|m| m.labels.clone()).unwrap_or_default();
            let Some(template) = &group.spec.template else { continue };
            new.all.push(Workload {
                meta: &group.meta,
                source: &group.source,
                labels: merged(&of_each, &template.labels),
                annotations: None,
                account: account(&template.service_account),
                spec: None,
                pod: None,
            });
        }
        new.index();
        new.learn(world);
        new
    }

    fn index(&mut self) {
        for (at, workload) in self.all.iter().enumerate() {
            let near = self.by_namespace.entry(&workload.meta.namespace).or_default();
            for shelf in [near, &mut self.everywhere] {
                shelf.all.push(at);
                for (key, value) in &*workload.labels {
                    shelf.by_label.entry((key.clone(), value.clone())).or_default().push(at);
                }
            }
        }
    }

    /// A namespace's workloads are known where there are some and every service has one: a service without
    /// workloads tells of workloads that are not here.
    fn learn(&mut self, world: &'w World) {
        let mut known: HashSet<&str> = self.by_namespace.keys().copied().collect();
        let mut asked: HashSet<(&str, &Labels)> = HashSet::new();
        for service in world.of::<Service>() {
            let selector = &service.spec.selector;
            let namespace = &*service.meta.namespace;
            let is_new =
                !selector.is_empty() && known.contains(namespace) && asked.insert((namespace, selector));
            if is_new && !self.any(Some(namespace), selector) {
                known.remove(namespace);
            }
        }
        self.known = known;
        let root = &*world.mesh().root_namespace;
        self.gateways_known = self.known.contains(root)
            || world.of::<Gateway>().any(|g| !g.spec.selector.is_empty() && self.any(None, &g.spec.selector));
    }

    /// Whether the workloads of a namespace are all here, as far as can be told.
    pub(super) fn known(&self, namespace: &str) -> bool {
        self.known.contains(namespace)
    }

    /// Whether the workloads that serve as gateways are here.
    pub(super) fn gateways_known(&self) -> bool {
        self.gateways_known
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Workload<'w>> {
        self.all.iter()
    }

    /// The workloads with these labels, of a namespace or of all; without labels, all of them.
    pub(super) fn select<'s>(
        &'s self,
        namespace: Option<&str>,
        want: &'s Labels,
    ) -> impl Iterator<Item = &'s Workload<'w>> + use<'s, 'w> {
        let shelf = match namespace {
            Some(namespace) => self.by_namespace.get(namespace),
            None => Some(&self.everywhere),
        };
        let candidates = shelf.map_or(&[][..], |shelf| shelf.candidates(want));
        candidates.iter().filter_map(|at| self.all.get(*at)).filter(move |w| labels_match(want, &w.labels))
    }

    /// Whether there is one.
    pub(super) fn any(&self, namespace: Option<&str>, want: &Labels) -> bool {
        self.select(namespace, want).next().is_some()
    }
}
