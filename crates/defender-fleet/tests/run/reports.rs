//! The texts of reports. `WRITE_REPORTS=1` rewrites the files: read the difference.

use std::{fs, path::Path, sync::Arc};

use defender_actions::{
    EntryKey, Holder, Journal, MemoryJournal, Origin, Settlement,
    model::{ActionId, MachineAction},
};
use defender_emulator::{ErrorCode, Fault, Operation, Outcome};
use defender_fleet::{Report, ReportState, RetryRows, Run, Stores};
use defender_store::MemoryRunStore;
use defender_transport::MemoryQuotaStore;
use serde_json::json;

use crate::world::World;

const RELEASE: Operation = Operation::UnrestrictCodeExecution;

/// Report of a run with rows of many kinds.
async fn report() -> (Report, Run) {
    let world = World::with(8, |emulator| emulator.ids(7));
    let ids: Vec<_> = world.emulator.machine_ids().iter().map(|id| (*id).to_owned()).collect();
    let fault = |fault, id: &str| drop(world.emulator.fault(fault).on(RELEASE).on_machine(id).times(1));
    fault(Fault::ResetAfterEffect, &ids[1]);
    fault(Fault::ResetBeforeEffect, &ids[2]);
    fault(Fault::Code(ErrorCode::DisallowedOperation), &ids[3]);
    fault(Fault::Code(ErrorCode::DisallowedOperation), &ids[4]);
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(&*ids[5]);
    let left_out = json!([
        {"target": "nobody.contoso.example", "source": "hosts.csv:17", "reason": {"reason": "not_found", "similar": []}},
        {"target": "=cmd|' /C calc'!A0", "reason": {"reason": "invalid", "message": "a name, \"quoted\""}},
        {"target": "db-1", "machine_id": "db1", "reason": {"reason": "excluded", "by": "tag `critical`"}},
    ]);
    let plan = world.release().waves(&[6]).halt_after(4).left_out(left_out);
    let run = world.start(&plan).await;
    world.run(run.finish()).await.unwrap();
    run.retry(RetryRows::Failed).await.unwrap();
    let run = world.fleet().resume(run.id()).await.unwrap();
    world.run(run.finish()).await.unwrap();
    run.retry(RetryRows::Failed).await.unwrap();
    run.halt("lunch").await.unwrap();
    (run.report().await.unwrap(), run)
}

/// Replaces what differs from run to run: the ids of run, workers, actions and responses.
fn stable(text: &str, report: &Report) -> String {
    let mut text = text.replace(&report.run, "RUN");
    for row in &report.rows {
        let earlier = row.earlier.iter().filter_map(|attempt| attempt.worker.as_deref());
        for worker in row.worker.as_deref().into_iter().chain(earlier) {
            text = text.replace(worker, "WORKER");
        }
    }
    let is_uuid = |text: &str| {
        text.len() == 36
            && text.char_indices().all(|(place, letter)| match place {
                8 | 13 | 18 | 23 => letter == '-',
                _ => letter.is_ascii_hexdigit(),
            })
    };
    let mut ids: Vec<String> = Vec::new();
    for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
        if is_uuid(word) && word != report.tenant_id && !ids.iter().any(|id| id == word) {
            ids.push(word.to_owned());
        }
    }
    for (number, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("ID-{}", number + 1));
    }
    text
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/reports").join(name);
    if std::env::var_os("WRITE_REPORTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{name} is\n{text}");
}

/// The response of a request came to a worker that had lost the row, after another one had found no action.
#[tokio::test]
async fn late_action_is_reported() {
    let world = World::new(2);
    let journal = Arc::new(MemoryJournal::new(world.clock.clone()));
    let (quota, runs) = (MemoryQuotaStore::new(world.clock.clone()), MemoryRunStore::new(world.clock.clone()));
    let world = world.with_stores(Stores::new(Arc::clone(&journal) as _, Arc::new(quota), Arc::new(runs)));
    world.emulator.fault(Fault::ResetBeforeEffect).on(RELEASE).times(1);
    let run = world.start(&world.release()).await;
    let report = world.run(run.finish()).await.unwrap();
    let unknown = report.in_state(ReportState::Unknown).next().unwrap();
    assert_eq!((report.counts.unknown, &unknown.action_id), (1, &None), "{report}");
    let action: MachineAction = serde_json::from_value(json!({"id": "late", "status": "Succeeded"})).unwrap();
    let key = EntryKey::new(unknown.key.as_deref().unwrap()).unwrap();
    let late = Settlement::Submitted { origin: Origin::Created, action: Box::new(action) };
    journal.settle(&key, Holder::generate(), &late).await.unwrap();
    let report = run.report().await.unwrap();
    let unknown = report.in_state(ReportState::Unknown).next().unwrap();
    assert_eq!(unknown.action_id.as_ref().map(ActionId::as_str), Some("late"), "{report}");
    assert!(unknown.error.as_ref().unwrap().message.contains("late is Succeeded; a retry"), "{report}");
}

#[tokio::test]
async fn reports_equal_the_snapshots() {
    let (report, _) = report().await;
    compare("report.csv", &stable(&report.to_csv().unwrap(), &report));
    let json = serde_json::to_string_pretty(&report).unwrap();
    compare("report.json", &(stable(&json, &report) + "\n"));
    compare("report.txt", &stable(&report.to_string(), &report));
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(read, report);
}

#[tokio::test]
async fn csv_has_no_formula() {
    let (report, _) = report().await;
    let csv = report.to_csv().unwrap();
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), report.rows.len());
    assert!(rows.iter().flatten().all(|field| !field.starts_with(['=', '+', '-', '@', '\t', '\r'])));
    assert!(rows.iter().any(|row| &row[2] == "'=cmd|' /C calc'!A0"));
    assert!(rows.iter().all(|row| &row[0] == "contoso"));
}
