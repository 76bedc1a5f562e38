//! Properties of each decoder, for any bytes. The fuzz targets check them on new inputs, `tests/plan/corpus.rs` on the corpus.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    model::{UnrestrictCodeExecution, read_json},
    transport::Body,
};
use defender_fleet::{
    Error, ErrorKind, Fleet, LeftOut, LeftOutReason, Plan, Stores, Targets, Tenant, Tenants, TenantsFile,
};
use defender_transport::testing::{Capture, ManualClock};
use http::Response;

/// Value of a file of tenants that is a secret in the wrong place.
const CANARY: &str = "canary 7f3a41d9";
/// Plans with their hash. No input can find another hash.
const KNOWN: [&str; 3] = [
    include_str!("../corpus/plan/sealed"),
    include_str!("../corpus/plan/isolate"),
    include_str!("../corpus/plan/numbers"),
];
/// Most lines of a file of targets. Each name is a request of the service.
const LINES: usize = 40;

/// Targets in a CSV file with the column `name`, and the same bytes as lines, of a service without machines.
///
/// Each line below the names of the columns is left out of the plan by its number, unless it is blank.
pub fn targets(file: &[u8]) {
    if file.split(|byte| matches!(byte, b'\n' | b'\r')).count() > LINES {
        return;
    }
    if let Some(targets) = read(Targets::csv_from("hosts.csv", file, "name")) {
        let mut lines = lines(file).skip_while(|(_, line)| line.iter().all(|byte| *byte == b'\r'));
        let mut columns = lines.next().expect("a file with the column has a line");
        if columns.1.to_ascii_lowercase().starts_with(b"sep=") || columns.1.to_ascii_lowercase().starts_with(b"\"sep=")
        {
            columns = lines.next().unwrap_or(columns);
        }
        // A quoted name may have a line break.
        if !columns.1.contains(&b'"') {
            named(&left_out(targets), lines.filter(|(_, line)| line.iter().any(|byte| *byte != b'\r')));
        }
    }
    if let Some(targets) = read(Targets::lines("hosts.csv", file)) {
        let is_comment = |line: &[u8]| {
            str::from_utf8(line).is_ok_and(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        };
        named(&left_out(targets), lines(file).filter(|(_, line)| !is_comment(line)));
    }
}

/// A plan in JSON.
///
/// A text is a plan only if it is one of the corpus with its hash. A plan of any fields that is given its hash is read back as it is, and its
/// summary has no control characters.
pub fn plan(json: &[u8]) {
    let text = String::from_utf8_lossy(json);
    match Plan::from_json(&text) {
        Ok(plan) => {
            assert_eq!(plan.computed_hash(), plan.hash);
            let mut known = KNOWN.iter().map(|known| Plan::from_json(known).expect("a plan of the corpus"));
            assert!(known.any(|known| known == plan), "a changed plan is accepted: {plan:?}");
        }
        Err(error) => {
            let kinds = [ErrorKind::PlanVersion, ErrorKind::PlanChanged, ErrorKind::PlanFile];
            assert!(kinds.contains(&error.kind()) && is_one_line(&error), "{error}");
        }
    }
    let Ok(mut plan) = read_json::<Plan>(json) else { return };
    plan.hash = plan.computed_hash();
    match Plan::from_json(&plan.to_json()) {
        Ok(again) => assert_eq!(again, plan, "the plan is read as another one"),
        Err(error) => assert!(error.kind() == ErrorKind::PlanVersion && plan.version > Plan::VERSION, "{error}"),
    }
    let shown = format!("{plan}{plan:#}");
    assert!(!shown.contains(|char: char| char.is_control() && char != '\n'), "{shown:?}");
    plan.max_machines = plan.max_machines.wrapping_add(1);
    let changed = Plan::from_json(&plan.to_json()).expect_err("a changed plan is accepted");
    assert!(matches!(changed.kind(), ErrorKind::PlanChanged | ErrorKind::PlanVersion), "{changed}");
}

/// A file of tenants. An error has a line of the file, and no value. Each tenant of the file is there, and no other one.
pub fn tenants(file: &[u8]) {
    let text = String::from_utf8_lossy(file);
    let reader = TenantsFile::new().variables(|_| Some(CANARY.into())).transport(Capture::answering(Response::new("")));
    let parsed = text.strip_prefix('\u{feff}').unwrap_or(&text).parse::<toml::Table>();
    match reader.read_text("tenants.toml", &text) {
        Ok(tenants) => {
            let parsed = parsed.expect("a file of tenants is TOML");
            let names: Vec<&str> = tenants.iter().map(Tenant::name).collect();
            let of_file = parsed.get("tenants").and_then(toml::Value::as_table);
            for (name, tenant) in of_file.into_iter().flatten() {
                let is_allowed = parsed.get("allow").is_none_or(|allow| {
                    allow.as_array().is_some_and(|allow| allow.iter().any(|one| one.as_str() == Some(name)))
                });
                assert_eq!(names.contains(&name.as_str()), is_allowed, "{name}");
                let id = tenant["tenant_id"].as_str().expect("a tenant has an id");
                assert!(tenants.get(name).map_or(!is_allowed, |found| id.trim().eq_ignore_ascii_case(found.id())));
            }
            assert!(names.iter().all(|name| of_file.is_some_and(|tenants| tenants.contains_key(*name))));
            let fleet = Fleet::new(tenants.clone(), Stores::memory(ManualClock::new()));
            for name in names {
                if let Err(error) = fleet.client(name) {
                    let shown = format!("{error} {error:?}");
                    assert!(is_one_line(&error) && (!shown.contains(CANARY) || names_canary(&text)), "{shown}");
                }
            }
        }
        Err(error) => {
            let shown = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let line = shown.strip_prefix("tenants.toml:").and_then(|rest| rest.split(':').next()?.parse().ok());
            let last = text.split('\n').count();
            assert!(line.is_some_and(|line: usize| (1..=last).contains(&line)) && is_one_line(&error), "{shown}");
            assert!(!format!("{shown} {error:?}").contains(CANARY) || names_canary(&text), "{shown}");
        }
    }
}

/// Returns true if the canary may be the name of a tenant or of a field, which an error shows.
fn names_canary(text: &str) -> bool {
    let is_value =
        |at: usize| text.get(..at).is_some_and(|before| before.trim_end_matches('"').trim_end().ends_with('='));
    text.match_indices(CANARY).any(|(at, _)| !is_value(at))
}

fn is_one_line(error: &Error) -> bool {
    !error.to_string().contains(char::is_control)
}

fn read(targets: Result<Targets, Error>) -> Option<Targets> {
    match targets {
        Ok(targets) => Some(targets),
        Err(error) => {
            assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("hosts.csv"), "{error}");
            assert!(is_one_line(&error), "{error:?}");
            None
        }
    }
}

/// The lines of a file, with their numbers.
fn lines(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    (1..).zip(file.split(|byte| *byte == b'\n'))
}

/// Checks that each line is left out by its number, or in a row of several lines that has it.
fn named<'l>(left_out: &[LeftOut], lines: impl Iterator<Item = (usize, &'l [u8])>) {
    let rows: Vec<_> = left_out.iter().map(place).collect();
    for (number, line) in lines {
        let is_named = rows.iter().any(|(first, last)| (*first..=*last).contains(&number));
        assert!(is_named, "line {number} `{}` is not in the plan: {left_out:?}", line.escape_ascii());
    }
}

/// First and last line of a target.
fn place(left_out: &LeftOut) -> (usize, usize) {
    let source = left_out.source.as_deref().expect("a target of a file has its line");
    let first: usize = source.strip_prefix("hosts.csv:").expect("the name of the file").parse().expect("a line");
    let last = match &left_out.reason {
        LeftOutReason::Invalid { message } => message.split_once("takes the lines ").and_then(|(_, lines)| {
            let (of, rest) = lines.split_once(" to ")?;
            assert_eq!(of.parse(), Ok(first));
            rest.split(';').next()?.parse().ok()
        }),
        _ => None,
    };
    (first, last.unwrap_or(first))
}

/// The targets that a plan leaves out, of a service without machines.
fn left_out(targets: Targets) -> Vec<LeftOut> {
    if targets.is_empty() {
        return Vec::new();
    }
    let clock = ManualClock::new();
    let service = Capture::with(|request| {
        let is_machine = request.uri().path().rsplit('/').next().is_some_and(|id| id.len() >= 32);
        let (status, body) = if is_machine { (404, "{}") } else { (200, r#"{"value":[]}"#) };
        Ok(Response::builder().status(status).body(Body::from(body)).expect("a response"))
    });
    let of_tenant = clock.clone();
    let tenant = Tenant::new("contoso", "7e4a47d0-0000-4000-8000-000000000001", move || {
        let builder = DefenderClient::builder().credential(StaticCredential::new("token"));
        let builder = builder.application_id("c11e47d0-0000-4000-8000-000000000002");
        Ok(builder.transport(service.clone()).clock(of_tenant.clone()).base_url("https://api.example"))
    });
    let fleet = Fleet::new(Tenants::default().with(tenant), Stores::memory(clock.clone()));
    let action = UnrestrictCodeExecution::new("cleaned").expect("a comment");
    let plan = fleet.plan("contoso").expect("a tenant").targets(targets).action(action).resolve();
    let plan = run(&clock, plan).expect("the service responds");
    assert!(plan.rows.is_empty(), "{plan}");
    let shown = format!("{plan:#}");
    assert!(!shown.contains(|char: char| char.is_control() && char != '\n'), "{shown:?}");
    plan.left_out
}

/// Runs a future to its end, in the time of the clock.
fn run<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut future = pin!(clock.run(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
