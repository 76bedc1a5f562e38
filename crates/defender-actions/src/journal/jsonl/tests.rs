//! The file over restarts, torn lines, two processes and a full disk.

use std::{fs, io::Write as _};

use defender_transport::testing::ManualClock;
use serde_json::json;

use super::*;
use crate::Origin;

const LEASE: Duration = Duration::from_secs(60);

/// Folder of one test, which is removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("defender-journal-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn journal(&self) -> Result<JsonlJournal, String> {
        JsonlJournal::open_with_clock(self.path(), ManualClock::new()).map_err(|error| error.to_string())
    }

    fn path(&self) -> PathBuf {
        self.0.join("actions.jsonl")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn key(text: &str) -> EntryKey {
    EntryKey::new(text).unwrap()
}

fn intent() -> Intent {
    let valid = (jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(300));
    let mut intent = Intent::new("m1".parse().unwrap(), "Isolate", json!({"Comment": "c"}), false, valid);
    (intent.api, intent.tenant_id) = (Some("https://api.example/api".to_owned()), Some("t".to_owned()));
    intent
}

fn scope() -> JournalScope {
    JournalScope::new("https://api.example/api", "t")
}

fn action(id: &str) -> MachineAction {
    let record = json!({"id": id, "type": "Isolate", "status": "Pending", "machineId": "m1", "new": {"field": [1.5]}});
    serde_json::from_value(record).unwrap()
}

fn submitted(id: &str) -> Settlement {
    Settlement::Submitted { origin: Origin::Created, action: Box::new(action(id)) }
}

#[tokio::test]
async fn entries_survive_a_restart() {
    let folder = Folder::new("restart");
    let (one, two) = (Holder::generate(), Holder::generate());
    let journal = folder.journal().unwrap();
    for (name, holder) in [("done", one), ("open", one), ("refused", two)] {
        assert_eq!(journal.intend(&key(name), &intent(), holder, LEASE).await.unwrap(), Intended::New);
    }
    let refused = Settlement::Refused { error: "access denied".to_owned() };
    assert_eq!(journal.settle(&key("done"), one, &submitted("a1")).await.unwrap(), Settled::Done);
    assert_eq!(journal.settle(&key("refused"), two, &refused).await.unwrap(), Settled::Done);
    journal.finish(&key("done"), &action("a1")).await.unwrap();
    drop(journal);

    let journal = folder.journal().unwrap();
    let done = Entry::new(intent(), Some(submitted("a1")), Some(action("a1")));
    assert_eq!(journal.entry(&key("done")).await.unwrap(), Some(done.clone()));
    assert_eq!(journal.intend(&key("done"), &intent(), two, LEASE).await.unwrap(), Intended::Existing(Box::new(done)));
    // Nobody else has the file, so the lease of the earlier process means nothing.
    let unsettled = journal.claim_unsettled(&scope(), two, LEASE, 10).await.unwrap();
    assert_eq!(unsettled, [Unsettled::new(key("open"), intent(), 1)]);
    assert_eq!(journal.settle(&key("open"), two, &submitted("A1")).await.unwrap(), Settled::ClaimedBy(key("done")));
    assert_eq!(journal.intend(&key("refused"), &intent(), one, LEASE).await.unwrap(), Intended::New);
    assert_eq!(folder.text().lines().count(), 7, "{}", folder.text());
}

#[tokio::test]
async fn torn_line_is_dropped() {
    let folder = Folder::new("torn");
    let journal = folder.journal().unwrap();
    journal.intend(&key("whole"), &intent(), Holder::generate(), LEASE).await.unwrap();
    drop(journal);
    let whole = folder.text();
    for length in [1, whole.len() / 2, whole.len() - 1] {
        let torn: String = whole.chars().take(length).collect();
        fs::write(folder.path(), format!("{whole}{}", torn.replace("whole", "torn"))).unwrap();
        let journal = folder.journal().unwrap();
        assert_eq!(journal.entry(&key("torn")).await.unwrap(), None);
        assert!(journal.entry(&key("whole")).await.unwrap().is_some());
        journal.intend(&key("next"), &intent(), Holder::generate(), LEASE).await.unwrap();
        drop(journal);
        assert!(folder.journal().unwrap().entry(&key("next")).await.unwrap().is_some());
    }
}

#[test]
fn foreign_line_is_named() {
    let folder = Folder::new("foreign");
    let mut newer = serde_json::to_value(intent()).unwrap();
    newer["version"] = json!(9);
    let newer = json!({"at": "2026-01-01T00:00:00Z", "event": "intended", "key": "k", "intent": newer}).to_string();
    for (line, why) in [("{}", "line 1"), ("name,action", "line 1"), (&newer, "version 9")] {
        fs::write(folder.path(), format!("{line}\n")).unwrap();
        let error = folder.journal().unwrap_err();
        assert!(
            error.contains(why) && error.contains("actions.jsonl") && error.contains("choose another file"),
            "{error}"
        );
        assert_eq!(folder.text(), format!("{line}\n"), "nothing is lost");
    }
}

#[test]
fn file_belongs_to_one_process() {
    let folder = Folder::new("lock");
    let journal = folder.journal().unwrap();
    let error = folder.journal().unwrap_err();
    assert!(error.contains("is open in another process"), "{error}");
    drop(journal);
    folder.journal().unwrap();
}

#[cfg(unix)]
#[test]
fn new_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    folder.journal().unwrap();
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn full_disk_refuses_intents() {
    // The device takes nothing, as a full disk.
    let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let folder = Folder::new("full");
    let writer = Arc::new(Writer::new(file));
    let (table, clock) = (Mutex::default(), Arc::new(ManualClock::new()));
    let journal = JsonlJournal(Arc::new(Inner { path: folder.path(), clock, table, writer }));
    for name in ["a", "b"] {
        let error = journal.intend(&key(name), &intent(), Holder::generate(), LEASE).await.unwrap_err().to_string();
        assert!(error.contains("could not be written") && error.contains("free the disk"), "{error}");
    }
}

#[tokio::test]
async fn concurrent_entries_share_syncs() {
    let folder = Folder::new("concurrent");
    let journal = folder.journal().unwrap();
    let entries = (0..200).map(|number| {
        let journal = journal.clone();
        async move { journal.intend(&key(&format!("k{number}")), &intent(), Holder::generate(), LEASE).await.unwrap() }
    });
    let intended = futures_util::future::join_all(entries).await;
    assert!(intended.iter().all(|intended| *intended == Intended::New));
    drop(journal);
    assert_eq!(folder.text().lines().count(), 200);
    folder.journal().unwrap();
}

#[test]
fn journal_works_without_a_runtime() {
    use futures_util::FutureExt;
    let folder = Folder::new("runtime");
    let journal = folder.journal().unwrap();
    let intend = journal.intend(&key("k"), &intent(), Holder::generate(), LEASE).now_or_never();
    assert_eq!(intend.unwrap().unwrap(), Intended::New);
}

#[tokio::test]
async fn repeated_changes_write_one_line() {
    let folder = Folder::new("repeat");
    let (journal, holder) = (folder.journal().unwrap(), Holder::generate());
    journal.intend(&key("k"), &intent(), holder, LEASE).await.unwrap();
    assert_eq!(journal.intend(&key("k"), &intent(), holder, LEASE).await.unwrap(), Intended::Mine);
    for _ in 0..2 {
        assert_eq!(journal.settle(&key("k"), holder, &submitted("a")).await.unwrap(), Settled::Done);
        journal.finish(&key("k"), &action("a")).await.unwrap();
    }
    assert_eq!(folder.text().lines().count(), 3);
}

#[test]
fn file_without_an_end_of_line_is_continued() {
    let folder = Folder::new("end");
    let mut file = File::create(folder.path()).unwrap();
    file.write_all(b"{\"at\":").unwrap();
    folder.journal().unwrap();
    assert_eq!(folder.text(), "");
}
