//! Promises of the example, run with its own code: an incomplete environment is an error and does not start the emulator.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_emulator::Emulator;

#[path = "../../examples/remove-app-restriction.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod program;

struct Ran {
    lines: Vec<String>,
    error: Option<String>,
}

async fn run(variables: &[(&str, &str)]) -> Ran {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let say: program::Say = Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
    let error = program::run(&variables, say).await.err().map(|error| program::embedded::with_causes(&*error));
    let lines = lines.lock().unwrap().clone();
    Ran { lines, error }
}

/// Emulator whose actions end immediately, its CA in a file, and the variables that lead to it.
struct There {
    emulator: Emulator,
    ca: std::path::PathBuf,
}

impl There {
    async fn start(name: &str) -> Self {
        let emulator =
            Emulator::builder().pending_for(Duration::ZERO).running_for(Duration::ZERO).start().await.unwrap();
        let ca = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
        std::fs::write(&ca, emulator.ca_pem()).unwrap();
        Self { emulator, ca }
    }

    fn variables(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([
            ("AZURE_TENANT_ID", self.emulator.tenant_id()),
            ("AZURE_CLIENT_ID", self.emulator.client_id()),
            ("AZURE_CLIENT_SECRET", self.emulator.client_secret()),
            ("DEFENDER_MACHINE_ID", self.emulator.machine_ids()[0]),
            ("DEFENDER_BASE_URL", self.emulator.base_url()),
            ("AZURE_AUTHORITY_HOST", self.emulator.authority()),
            ("DEFENDER_CA_FILE", self.ca.to_str().unwrap()),
        ])
    }

    /// Replaces or removes one variable.
    async fn run_with(&self, name: &'static str, value: Option<&str>) -> Ran {
        let mut variables = self.variables();
        match value {
            Some(value) => variables.insert(name, value),
            None => variables.remove(name),
        };
        run(&variables.into_iter().collect::<Vec<_>>()).await
    }
}

#[tokio::test]
async fn example_lifts_the_restriction() {
    let there = There::start("lifts").await;
    let ran = run(&there.variables().into_iter().collect::<Vec<_>>()).await;
    assert_eq!(ran.error, None);
    assert!(ran.lines[0].contains("lifts the app restriction of machine 1e5bc9d7e413ddd7902c2932e418702b84d0cc07"));
    assert_eq!(ran.lines.last().unwrap(), "UnrestrictCodeExecution ended: Succeeded");
    let ledger = there.emulator.ledger();
    assert_eq!(ledger.len(), 1);
    assert!(ledger[0].path.ends_with("/unrestrictCodeExecution"));
    assert!(ledger[0].user_agent.as_ref().unwrap().starts_with("remove-app-restriction defender-rs/"));
    let secret = there.emulator.client_secret();
    assert!(ran.lines.iter().all(|line| !line.contains(secret) && !line.contains("eyJ")));
}

#[tokio::test]
async fn partial_environment_sends_nothing() {
    let there = There::start("half").await;
    for missing in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "DEFENDER_MACHINE_ID"] {
        let without = there.run_with(missing, None).await;
        let blank = there.run_with(missing, Some(" ")).await;
        for ran in [without, blank] {
            let error = ran.error.unwrap();
            assert!(error.contains(missing), "{error}");
            assert!(ran.lines.is_empty());
        }
    }
    assert!(there.emulator.ledger().is_empty());
}

/// The variables of the Azure SDKs, which machines of a CI have, do not lead to the real service. Only a machine does.
#[tokio::test]
async fn only_a_machine_leads_to_the_service() {
    let there = There::start("machine-only").await;
    let all: BTreeMap<_, _> =
        there.variables().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(program::machine(&all).unwrap(), Some(there.emulator.machine_ids()[0]));
    let mut azure = all.clone();
    azure.retain(|name, _| name.starts_with("AZURE_"));
    assert_eq!((azure.len(), program::machine(&azure).unwrap()), (4, None));
    // With any variable of the SDK, the built-in emulator is not started.
    for name in ["DEFENDER_CLOUD", "DEFENDER_TENANT_ID", "DEFENDER_BASE_URL"] {
        let mut some = azure.clone();
        some.insert(name.to_owned(), "x".to_owned());
        assert!(program::machine(&some).unwrap_err().contains("DEFENDER_MACHINE_ID is missing"), "{name}");
    }
}

#[tokio::test]
async fn wrong_secret_is_not_printed() {
    let there = There::start("secret").await;
    let ran = there.run_with("AZURE_CLIENT_SECRET", Some("canary")).await;
    let error = ran.error.unwrap();
    assert!(error.contains("use the secret's value, not its id"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    assert!(!error.contains("canary") && ran.lines.iter().all(|line| !line.contains("canary")));
    assert!(there.emulator.ledger().is_empty());
}

#[tokio::test]
async fn bad_machine_ids_are_reported() {
    let there = There::start("machine").await;
    let ran = there.run_with("DEFENDER_MACHINE_ID", Some("nobody")).await;
    assert!(ran.error.unwrap().contains("not found (status 404)"));
    let ran = there.run_with("DEFENDER_MACHINE_ID", Some("../x")).await;
    assert!(ran.error.unwrap().contains("is not a machine id"));
    assert_eq!(there.emulator.ledger().len(), 1);
}
