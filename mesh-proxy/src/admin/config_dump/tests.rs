use super::super::testing::{credential, node};
use super::*;

fn of_hook() -> Value {
    let cluster =
        |name: &str| json!({ "version_info": "v7", "cluster": { TYPE: "c", "name": name, "type": "EDS" } });
    json!({ "configs": [
        { TYPE: format!("{ADMIN}ClustersConfigDump"), "version_info": "v7",
          "dynamic_active_clusters": [cluster("outbound|80||a"), cluster("outbound|80||b")] },
        { TYPE: format!("{ADMIN}EndpointsConfigDump"),
          "dynamic_endpoint_configs": [{ "endpoint_config": { TYPE: "e", "cluster_name": "outbound|80||a" } }] },
    ]})
}

fn get(query: &str) -> (u16, Value) {
    let reply = page(dump(&node(), Some(of_hook()), Some(&credential())), &Query::parse(query));
    (reply.status.as_u16(), serde_json::from_str(&reply.body).unwrap_or(Value::String(reply.body)))
}

fn types(dump: &Value) -> Vec<&str> {
    let all = dump["configs"].as_array().into_iter().flatten();
    all.filter_map(|c| c[TYPE].as_str()?.strip_prefix(ADMIN)).collect()
}

#[test]
fn the_dump_holds_who_it_is_what_it_serves_and_its_secrets() {
    let (status, all) = get("");
    assert_eq!(
        (status, types(&all)),
        (200, vec!["BootstrapConfigDump", "ClustersConfigDump", "SecretsConfigDump"])
    );
    assert_eq!(all["configs"][0]["bootstrap"]["node"]["id"], node().id());
    assert!(types(&get("include_eds").1).contains(&"EndpointsConfigDump"));
}

#[test]
fn the_private_key_is_in_no_form_of_the_dump() {
    let credential = credential();
    let key = STANDARD.encode(&*credential.key);
    let reply = page(dump(&node(), None, Some(&credential)), &Query::default());
    assert!(!reply.body.contains(&key) && reply.body.contains("[redacted]"), "{}", reply.body);
    let all: Value = serde_json::from_str(&reply.body).unwrap();
    let secrets = &all["configs"][1]["dynamic_active_secrets"];
    assert_eq!((&secrets[0]["name"], &secrets[1]["name"]), (&json!("default"), &json!("ROOTCA")));
    let bytes =
        secrets[0]["secret"]["tls_certificate"]["certificate_chain"]["inline_bytes"].as_str().unwrap();
    let text = String::from_utf8(STANDARD.decode(bytes).unwrap()).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(STANDARD.decode(body).unwrap(), credential.chain[0]);
    assert!(text.lines().all(|line| line.len() <= 64), "{text}");
}

#[test]
fn a_resource_is_one_list_with_typed_entries() {
    let (_, clusters) = get("resource=dynamic_active_clusters");
    assert_eq!(types(&clusters), ["ClustersConfigDump.DynamicCluster"; 2]);
    let (_, secrets) = get("resource=dynamic_active_secrets&mask=name");
    assert_eq!(
        secrets["configs"][1],
        json!({ TYPE: format!("{ADMIN}SecretsConfigDump.DynamicSecret"), "name": "ROOTCA" })
    );
    let (status, why) = get("resource=nope");
    assert_eq!((status, why.as_str()), (404, Some("nope not found in config dump\n")));
    assert_eq!(get("resource=bootstrap").0, 400);
    assert_eq!(get("resource=dynamic_endpoint_configs").0, 404, "only with include_eds");
    let (_, endpoints) = get("resource=dynamic_endpoint_configs&include_eds");
    assert_eq!(types(&endpoints), ["EndpointsConfigDump.DynamicEndpointConfig"]);
}

#[test]
fn a_mask_keeps_fields_and_types() {
    let (_, names) = get("resource=dynamic_active_clusters&mask=cluster.name");
    let first = json!({
        TYPE: format!("{ADMIN}ClustersConfigDump.DynamicCluster"),
        "cluster": { TYPE: "c", "name": "outbound|80||a" },
    });
    assert_eq!(names["configs"][0], first);
    assert_eq!(types(&get("mask=dynamic_active_secrets").1), ["SecretsConfigDump"]);
    assert_eq!(get("mask=x").0, 400);
}

#[test]
fn a_name_chooses_entries_whatever_list_they_are_in() {
    let (_, all) = get("name_regex=.*a$&include_eds");
    assert_eq!(all["configs"][1]["dynamic_active_clusters"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["configs"][2]["dynamic_endpoint_configs"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["configs"][3]["dynamic_active_secrets"].as_array().map(Vec::len), Some(0));
    assert_eq!(get("name_regex=(").0, 400);
}

#[test]
fn a_hook_that_gives_no_list_leaves_the_proxys_own_parts() {
    let configs = dump(&node(), Some(json!({ "oops": 1 })), None);
    assert_eq!(configs.len(), 2);
    assert_eq!(configs[1]["dynamic_active_secrets"], json!([]));
}
