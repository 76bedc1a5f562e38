//! Bodies of the service, decoded and encoded back, one row each.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod both_ways;
mod kind;
mod request;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use defender_model::{DownloadLink, LibraryFile, Machine, MachineAction, Transcript};
use serde_json::Value;
use xtask::Failure;

use self::{
    both_ways::{Outcome, both_ways, decoded, page, problem, same},
    kind::{Kind, of_library_files, of_machines},
    request::request,
};

const HELP: &str = "\
Decodes every JSON body in a folder and encodes it back, a row each.

Usage: cargo xtask vectors DIR
";

fn main() -> ExitCode {
    xtask::program(HELP, |mut arguments| {
        let folder = arguments.value()?;
        match arguments.next()? {
            None => run(Path::new(&folder)),
            Some(more) => Err(more.unexpected().into()),
        }
    })
}

/// Decodes every JSON file below `folder`, tells of each, and fails if one fails.
fn run(folder: &Path) -> Result<(), Failure> {
    let files = json_files(folder)?;
    let mut failed = 0_usize;
    for file in &files {
        let bytes = std::fs::read(file).map_err(|error| Failure::broken(file.display(), error))?;
        let named = file.parent().and_then(Path::file_name).and_then(|name| Kind::named(&name.to_string_lossy()));
        let (kind, outcome) = check(&bytes, named);
        let name = file.strip_prefix(folder).unwrap_or(file).display();
        match outcome {
            Ok(what) => println!("ok    {:<10} {name}: {what}", kind.word()),
            Err(why) => {
                failed = failed.saturating_add(1);
                println!("FAIL  {:<10} {name}: {why}", kind.word());
            }
        }
    }
    match (files.len(), failed) {
        (0, _) => Err(Failure::Check(format!("vectors: no JSON file below {}", folder.display()))),
        (count, 0) => {
            eprintln!("vectors: {count} bodies, all well");
            Ok(())
        }
        (count, failed) => Err(Failure::Check(format!("vectors: {failed} of {count} failed"))),
    }
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.is_dir() {
            files.extend(json_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Decodes one body as what its folder says, or else as what it looks like.
fn check(bytes: &[u8], named: Option<Kind>) -> (Kind, Outcome) {
    let json = serde_json::from_slice::<Value>(bytes);
    let kind = named.unwrap_or_else(|| json.as_ref().map_or(Kind::Problem, Kind::guessed));
    let outcome = match (kind, json) {
        (Kind::Problem, _) => problem(bytes),
        (Kind::Transcript, _) => {
            Transcript::parse(bytes).map_err(|error| error.to_string()).and_then(|read| same(bytes, &read))
        }
        (_, Err(error)) => Err(format!("this is no JSON: {error}")),
        (kind, Ok(json)) => as_kind(kind, &filled_in(json)),
    };
    (kind, outcome)
}

fn as_kind(kind: Kind, json: &Value) -> Outcome {
    match kind {
        Kind::Action => both_ways::<MachineAction>(json),
        Kind::Machine => both_ways::<Machine>(json),
        Kind::Library => both_ways::<LibraryFile>(json),
        Kind::Page if of_machines(json) => page::<Machine>(json),
        Kind::Page if of_library_files(json) => page::<LibraryFile>(json),
        Kind::Page => page::<MachineAction>(json),
        // The link itself is a secret.
        Kind::Link => decoded::<DownloadLink>(json).map(|_link| "decoded".to_owned()),
        Kind::Request => request(json),
        Kind::Other | Kind::Transcript | Kind::Problem => Ok("nothing of ours".to_owned()),
    }
}

/// Documentation prints `{machine_id}` where an id belongs; the braces are taken off, so that it is one.
fn filled_in(mut json: Value) -> Value {
    if let Some(object) = json.as_object_mut() {
        for value in object.values_mut() {
            let inside = value.as_str().and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
            if let Some(inside) = inside.map(str::to_owned) {
                *value = inside.into();
            }
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> (Kind, bool) {
        let (kind, outcome) = check(body.as_bytes(), None);
        (kind, outcome.is_ok())
    }

    #[test]
    fn own_fixtures_of_model_decode() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../crates/defender-model/tests/fixtures");
        assert!(json_files(&folder).unwrap().len() >= 60);
        assert_eq!(run(&folder), Ok(()));
    }

    #[test]
    fn a_body_is_known_by_its_shape() {
        for (body, kind) in [
            (r#"{"id":"a","status":"Pending"}"#, Kind::Action),
            (r#"{"id":"{machine_action_id}","type":"LiveResponse"}"#, Kind::Action),
            (r#"{"id":"a","computerDnsName":"x"}"#, Kind::Machine),
            (r#"{"value":[{"id":"a","machineId":"b"}]}"#, Kind::Page),
            (r#"{"value":"\"https://x\""}"#, Kind::Link),
            (r#"{"error":{"code":"NotFound"}}"#, Kind::Problem),
            ("<html>", Kind::Problem),
            (r#"{"Comment":"x","ScanType":"Full"}"#, Kind::Request),
            (r#"{"machineTags":["x"]}"#, Kind::Request),
            (r#"{"script_output":"x"}"#, Kind::Transcript),
            ("4", Kind::Other),
        ] {
            assert_eq!(of(body), (kind, true), "{body}");
        }
    }

    #[test]
    fn what_is_lost_or_not_read_fails() {
        for (body, kind) in [
            (r#"{"type":"Isolate"}"#, Some(Kind::Action)),
            (r#"{"value":[{"id":"a/b","machineId":"b"}]}"#, None),
            (r#"{"value":""}"#, Some(Kind::Link)),
            (r#"{"Comment":"x","Sha1":"not a hash"}"#, None),
            (r#"{"Comment":"x","Novel":1}"#, None),
            ("[", Some(Kind::Action)),
        ] {
            let (kind, outcome) = check(body.as_bytes(), kind);
            assert!(outcome.is_err(), "{kind:?} {body}: {outcome:?}");
        }
    }
}
