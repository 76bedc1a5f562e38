//! Properties of each decoder, for any bytes. The fuzz targets check them on new inputs, `tests/facade/corpus.rs` on the corpus.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JsonlJournal, Settlement, model::read_json,
    transport::testing::ManualClock,
};
use serde_json::Value;

/// An intent, as a line of a journal has it.
const INTENT: &str = r#"{"machine_id":"m1","action_type":"Isolate","body":{"Comment":"c"},"earliest":"2026-01-01T12:00:00Z","version":2}"#;

/// The file of a journal.
///
/// It is opened, and then each intent, outcome and last record of its whole lines is kept, over another entry and another opening as well. Or
/// the error names a line of the file, in one line without control characters, and the file stays as it is. Only a line without its end is dropped.
pub fn journal(file: &[u8]) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("defender-actions-fuzz-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    // Removed after a failure as well.
    let folder = Folder(folder);
    let path = folder.0.join("actions.jsonl");
    fs::write(&path, file).expect("a file");
    check(&path, file);
}

fn check(path: &Path, file: &[u8]) {
    let opened = JsonlJournal::open_with_clock(path, ManualClock::new());
    let whole = file.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (lines, torn) = file.split_at(whole);
    let lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    let journal = match opened {
        Ok(journal) => journal,
        Err(error) => {
            let text = error.to_string();
            let after = text.split_once("actions.jsonl: line ").map_or("", |(_, after)| after);
            let number: usize = after.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            assert!((1..=lines.len()).contains(&number), "the error names no line: {text}");
            assert!(!text.contains(char::is_control), "{text:?}");
            assert_eq!(fs::read(path).expect("the file"), file, "the file was changed");
            // Without the line and those below it, the file is one of a journal.
            let before = lines[..number - 1].concat();
            fs::write(path, &before).expect("a file");
            return check(path, &before);
        }
    };
    assert_eq!(fs::read(path).expect("the file"), file[..file.len() - torn.len()], "a whole line is gone");
    let kept = entries(&journal, &lines);
    let (new, intent) = (EntryKey::generate(), serde_json::from_str::<Intent>(INTENT).expect("an intent"));
    let intended = poll(journal.intend(&new, &intent, Holder::generate(), Duration::from_secs(60)));
    assert_eq!(intended.expect("the disk has room"), Intended::New);
    drop(journal);
    let journal = JsonlJournal::open_with_clock(path, ManualClock::new()).expect("it was opened before");
    assert_eq!(entries(&journal, &lines), kept, "another opening changes the entries");
    assert!(entry(&journal, &new).is_some_and(|entry| entry.intent == intent && entry.outcome.is_none()));
}

/// The entries of all keys of these lines. Each change of a key that has an intent is in its entry.
fn entries(journal: &JsonlJournal, lines: &[&[u8]]) -> BTreeMap<EntryKey, Option<Entry>> {
    let lines: Vec<Value> =
        lines.iter().map(|line| read_json(&line[..line.len() - 1]).expect("an opened line is JSON")).collect();
    let key = |line: &Value| serde_json::from_value::<EntryKey>(line["key"].clone()).expect("an opened line has a key");
    let mut intents: BTreeMap<EntryKey, usize> = BTreeMap::new();
    for line in &lines {
        let key = key(line);
        match (line["event"].as_str(), intents.get(&key).copied()) {
            (Some("intended"), before) => drop(intents.insert(key, before.unwrap_or(0) + 1)),
            (Some("settled" | "finished"), _) => {}
            (event, _) => panic!("an opened line has the event {event:?}"),
        }
    }
    for line in &lines {
        let key = key(line);
        // An entry whose key was used again begins anew, and a change without an intent has no entry.
        if intents.get(&key) != Some(&1) {
            continue;
        }
        let entry = entry(journal, &key).expect("an entry is lost");
        match line["event"].as_str() {
            Some("settled") => {
                let outcome: Settlement = serde_json::from_value(line.clone()).expect("an outcome");
                // Another entry may have the action.
                assert!(entry.outcome.is_some() || outcome.claimed_action().is_some(), "an outcome is lost");
            }
            Some("finished") => assert!(entry.last.is_some(), "a last record is lost"),
            _ => assert_eq!(Some(entry.intent), serde_json::from_value(line["intent"].clone()).ok()),
        }
    }
    intents.into_keys().map(|key| (key.clone(), entry(journal, &key))).collect()
}

fn entry(journal: &JsonlJournal, key: &EntryKey) -> Option<Entry> {
    poll(journal.entry(key)).expect("entries are in memory")
}

/// Output of a future that does not wait.
fn poll<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}
