//! Each operation is found from its path, with its quota and its permissions.

use std::collections::BTreeSet;

use defender_model::ACTIONS;

use super::*;

fn at(method: &Method, path: &str) -> Operation {
    Operation::at(method, path, ACTIONS.iter())
}

fn all() -> Vec<Operation> {
    Operation::OTHERS.iter().cloned().chain(ACTIONS.iter().map(Operation::of_info)).collect()
}

/// Returns the path of an operation, with a value for each placeholder.
fn path(operation: &Operation) -> String {
    let mut path = operation.template.path().into_owned();
    while let (Some(begin), Some(end)) = (path.find('{'), path.find('}')) {
        path.replace_range(begin..=end, "a1");
    }
    path
}

#[test]
fn each_operation_is_found_in_each_spelling() {
    for operation in all() {
        let path = path(&operation);
        let encoded: String = path
            .bytes()
            .map(|byte| if byte.is_ascii_alphabetic() { format!("%{byte:02X}") } else { char::from(byte).into() })
            .collect();
        for spelling in [
            path.clone(),
            path.to_ascii_uppercase(),
            path.to_ascii_lowercase(),
            format!("/v1.0{path}"),
            format!("{path}/"),
            encoded,
        ] {
            let found = at(&operation.method, &spelling);
            assert_eq!(found, operation, "{spelling}");
        }
    }
}

#[test]
fn queues_of_operations_differ() {
    let queues: BTreeSet<_> = all().iter().map(Operation::queue).collect();
    assert_eq!(queues.len(), all().len());
}

#[test]
fn own_action_shares_the_queue_of_its_raw_calls() {
    let typed = Operation::on_machine("requestSample", Limit::GENERAL, Needs::READING);
    for spelling in ["/machines/m1/requestSample", "/v1.0/Machines/m1/REQUESTSAMPLE"] {
        assert_eq!(at(&Method::POST, spelling).queue(), typed.queue());
    }
}

#[test]
fn quotas_are_those_of_the_pages() {
    for operation in all() {
        let minute = match operation.template.path().rsplit('/').next() {
            Some("getPackageUri") => 2,
            Some("runliveresponse") => 10,
            _ => 100,
        };
        assert_eq!(operation.quota[0].calls, minute, "{operation}");
        assert_eq!(operation.quota[0].per, Duration::from_secs(60), "{operation}");
    }
    let hour: Vec<_> = PACKAGE_LINKS.iter().map(|limit| (limit.calls, limit.per.as_secs())).collect();
    assert_eq!(hour, [(2, 60), (120, 3_600)]);
}

#[test]
fn unknown_operations_have_a_template_and_the_general_quota() {
    for (method, path, template) in [
        (Method::GET, "/machineactions/$count", "/machineactions/$count"),
        (Method::POST, "/v1.0/alerts/a1/new", "/alerts/{id}/new"),
        (Method::POST, "/Machines/m1/evict(x=1)", "/machines/{id}/evict"),
        (Method::GET, "/machines/m1/Isolate", "/machines/{id}/isolate"),
        (Method::POST, "/machines/findByTag", "/machines/findbytag"),
        (Method::GET, "", ""),
    ] {
        let operation = at(&method, path);
        assert_eq!((&*operation.template.path(), operation.quota), (template, Limit::GENERAL), "{path}");
        assert_eq!(operation.method, method);
        assert_eq!(operation.idempotency == Idempotency::Idempotent, method == Method::GET, "{path}");
    }
}

#[test]
fn each_operation_names_its_own_permission() {
    for (method, path, application, delegated, role) in [
        ("POST", "/machines/a/isolate", "Machine.Isolate", "Machine.Isolate", "Response (manage)"),
        (
            "POST",
            "/machines/a/StopAndQuarantineFile",
            "Machine.StopAndQuarantine",
            "Machine.StopAndQuarantine",
            "Response",
        ),
        (
            "POST",
            "/machines/a/runliveresponse",
            "Machine.LiveResponse",
            "Machine.LiveResponse",
            "live response (manage)",
        ),
        (
            "POST",
            "/machines/a/collectInvestigationPackage",
            "Machine.CollectForensics",
            "Machine.CollectForensics",
            "Alerts",
        ),
        ("POST", "/machines/a/tags", "Machine.ReadWrite.All", "Machine.ReadWrite", "Core security settings"),
        ("PATCH", "/machines/a", "Machine.ReadWrite.All", "Machine.ReadWrite", "Core security settings"),
        ("GET", "/machines/a", "Machine.Read.All", "Machine.Read", "Security data basics (read)"),
        ("GET", "/machines/findbytag", "Machine.Read.All", "Machine.Read", "View data"),
        ("GET", "/machines/findbyip(ip='::1',timestamp=x)", "Machine.Read.All", "Machine.Read", "View data"),
        ("GET", "/machineactions", "Machine.ReadWrite.All", "Machine.ReadWrite", "View data"),
        ("GET", "/machineactions/$count", "Machine.ReadWrite.All", "Machine.ReadWrite", "View data"),
        ("POST", "/machineactions/a/cancel", "Machine.Isolate", "Machine.Scan", "Active remediation actions"),
        ("GET", "/machineactions/a/getPackageUri", "Machine.Read.All", "Machine.CollectForensics", "Alerts (manage)"),
        (
            "GET",
            "/machineactions/a/GetLiveResponseResultDownloadLink(index=0)",
            "Machine.ReadWrite.All",
            "Machine.LiveResponse",
            "live response",
        ),
        ("DELETE", "/libraryfiles/a", "Library.Manage", "Library.Manage", "live response"),
    ] {
        let needs = at(&method.parse().unwrap(), path).needs.unwrap_or_else(|| panic!("{path}"));
        assert!(needs.application.contains(&application) && needs.delegated.contains(&delegated), "{path}");
        assert!(needs.to_string().contains(role), "{path}: {needs}");
    }
    assert_eq!(at(&Method::GET, "/alerts/a").needs, None);
}
