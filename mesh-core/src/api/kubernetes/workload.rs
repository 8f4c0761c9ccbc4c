//! What makes pods: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job and CronJob.
//!
//! A mesh reads the template of their pods: its labels select services and policies, its annotations set up
//! proxies, its service account is the identity. The pods themselves come from elsewhere.

use super::pod::PodSpec;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a pod will be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations that it will have.
    pub metadata: TemplateMeta,
    /// What it will run.
    pub spec: PodSpec,
}

/// Labels and annotations of a pod that is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMeta {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The spec of a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// How many pods. Default: 1.
    pub replicas: Option<u32>,
    /// Its pods.
    pub template: PodTemplate,
}

/// The spec of a StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSet {
    /// How many pods. Default: 1.
    pub replicas: Option<u32>,
    /// Headless Service in which its pods have names.
    pub service_name: String,
    /// Its pods.
    pub template: PodTemplate,
}

/// The spec of a DaemonSet: a pod on each node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonSet {
    /// Its pods.
    pub template: PodTemplate,
}

/// The spec of a ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSet {
    /// How many pods. Default: 1.
    pub replicas: Option<u32>,
    /// Its pods.
    pub template: PodTemplate,
}

/// The spec of a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    /// Its pods.
    pub template: PodTemplate,
}

/// The spec of a CronJob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct CronJob {
    /// When it runs, as cron writes it.
    pub schedule: String,
    /// Its Jobs.
    pub job_template: JobTemplate,
}

/// What a Job will be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct JobTemplate {
    /// Its spec.
    pub spec: Job,
}
