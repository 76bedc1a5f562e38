//! Promises broken on purpose, to see that it is noticed: `cargo xtask breaks`.
//!
//! Each patch in `patches/` breaks one promise in one way, and names the tests and the campaigns that must notice it, each
//! with words that its output must then show: what fails for another reason, such as not compiling, has noticed nothing. They
//! are applied one by one to a copy of the workspace under `target/breaks/`, which has a build of its own. There is a copy for each
//! processor, up to four, since most of a build of few lines is one compiler after the other.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod copy;
mod group;
mod judge;
mod patch;
mod program;
mod refresh;
mod registry;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    path::Path,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, workspace::Workspace};

use self::{
    copy::Copy,
    judge::{Judge, Judged},
    patch::{PATCHES, Patch},
};

const HELP: &str = "\
Breaks each promise on purpose, in a copy of the workspace, and checks that the tests named in its patch fail.

Usage: cargo xtask breaks [NAME…] [--check | --refresh | --registry]

Arguments:
  NAME…       the patches whose names have this prefix; default: all

Options:
  --check     only checks that each patch applies, names existing tests, and is listed in docs/breaks.md
  --refresh   updates each patch that no longer applies to today's source, and prints it
  --registry  changes each fact of each action instead, and checks that a test fails
  -h, --help  this text
";

/// The page that lists the patches.
const PAGE: &str = "docs/breaks.md";

fn main() -> ExitCode {
    xtask::program(HELP, run)
}

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let (mut names, mut only_checks, mut refreshes, mut mutates) = (Vec::new(), false, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("check") => only_checks = true,
            Arg::Long("refresh") => refreshes = true,
            Arg::Long("registry") => mutates = true,
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let root = Workspace::read()?.root;
    if mutates {
        return registry::run(&root);
    }
    let patches = Patch::read_all(&root.join(PATCHES))?;
    let chosen = chosen(&patches, &names)?;
    if refreshes {
        let count = refresh::refresh(&root, &chosen)?;
        eprintln!("breaks: {count} of {} patches updated", chosen.len());
        return Ok(());
    }
    if only_checks { check(&root, &chosen) } else { break_each(&root, &chosen) }
}

/// The patches whose names begin with one of `names`.
fn chosen<'p>(patches: &'p [Patch], names: &[String]) -> Result<Vec<&'p Patch>, Failure> {
    if let Some(name) = names.iter().find(|name| !patches.iter().any(|patch| patch.name.starts_with(name.as_str()))) {
        return Err(Failure::Usage(format!("unknown patch `{name}`")));
    }
    let is_meant = |patch: &&Patch| names.is_empty() || names.iter().any(|name| patch.name.starts_with(name.as_str()));
    Ok(patches.iter().filter(is_meant).collect())
}

/// Finds the patches that are worthless, without building anything.
fn check(root: &Path, patches: &[&Patch]) -> Result<(), Failure> {
    let page = std::fs::read_to_string(root.join(PAGE)).map_err(|error| Failure::broken(PAGE, error))?;
    let mut wrong = Vec::new();
    for patch in patches {
        if let Err(why) = copy::applies(root, &patch.text) {
            wrong.push(format!("{}: does not apply: {why}", patch.name));
        }
        for judge in patch.judges.iter().filter(|judge| !judge.is_there(root)) {
            wrong.push(format!("{}: no test for `{}`", patch.name, judge.line()));
        }
        if !page.contains(&format!("`{}`", patch.name)) {
            wrong.push(format!("{}: {PAGE} does not name the patch", patch.name));
        }
        let tests = patch.judges.iter().flat_map(|judge| judge.kind.names());
        for test in tests.filter(|test| !page.contains(&format!("`{test}`"))) {
            wrong.push(format!("{}: {PAGE} does not name the test `{test}`", patch.name));
        }
    }
    for wrong in &wrong {
        println!("{wrong}");
    }
    match wrong.len() {
        0 => {
            eprintln!("breaks: each of {} patches applies", patches.len());
            Ok(())
        }
        count => Err(Failure::Check(format!("breaks: {count} found"))),
    }
}

fn break_each(root: &Path, patches: &[&Patch]) -> Result<(), Failure> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(patches.len()).min(4);
    let copies: Vec<_> = (0..workers).map(|number| Copy::of(root, number)).collect::<Result<_, _>>()?;
    copies.iter().try_for_each(Copy::restore)?;
    // What fails by itself proves nothing when it fails with something broken.
    let all: BTreeSet<&Judge> = patches.iter().flat_map(|patch| &patch.judges).collect();
    on_each(&copies, group::groups(&all), |copy, group| {
        eprintln!("breaks: unbroken: {}", group.line());
        group.passes(copy)
    })?;
    let judged = on_each(&copies, patches.to_vec(), |copy, patch| {
        copy.apply(&patch.name, &patch.text)?;
        let judged = patch.judges.iter().map(|judge| {
            let judged = judge.judge(copy, &patch.name)?;
            eprintln!("breaks: {}: {}: {judged}", patch.name, judge.line());
            Ok((patch, judge, judged))
        });
        let judged = judged.collect::<Result<Vec<_>, Failure>>();
        copy.restore()?;
        judged
    })?;
    println!("| promise | broken by | judge | |\n|---|---|---|---|");
    let mut missed = Vec::new();
    for (patch, judge, judged) in judged.into_iter().flatten() {
        println!("| {} | `{}` | `{}` | {judged} |", patch.promise, patch.name, judge.line());
        if !matches!(judged, Judged::Caught { .. }) {
            missed.push(format!("{} by {}", patch.name, judge.line()));
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    let missed = missed.join("; ");
    Err(Failure::Check(format!("breaks: not noticed, or not for the right reason: {missed}")))
}

/// Does the work of each item on whichever copy is free. The results are in the order of the items. After a failure no other item is
/// begun.
fn on_each<T: Send, R: Send>(
    copies: &[Copy],
    items: Vec<T>,
    work: impl Fn(&Copy, T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let queue = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new(BTreeMap::new());
    let of_copy = |copy: &Copy| {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, item)) = next else { return Ok(()) };
            let result = work(copy, item).inspect_err(|_| {
                queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
            })?;
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
        }
    };
    thread::scope(|scope| {
        let running: Vec<_> = copies.iter().map(|copy| scope.spawn(move || of_copy(copy))).collect();
        let ended = running.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(Failure::Check("breaks: the thread of a copy panicked".to_owned())))
        });
        ended.fold(Ok(()), Result::and)
    })?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn patches_are_chosen_by_prefix() {
        let patch = |name: &str| Patch { name: name.to_owned(), ..Patch::default() };
        let patches = [patch("10-a"), patch("11-b"), patch("20-c")];
        let names = |names: &[&str]| -> Result<Vec<String>, Failure> {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            Ok(chosen(&patches, &names)?.into_iter().map(|patch| patch.name.clone()).collect())
        };
        assert_eq!(names(&[]), Ok(vec!["10-a".to_owned(), "11-b".to_owned(), "20-c".to_owned()]));
        assert_eq!(names(&["1", "20-c"]).unwrap().len(), 3);
        assert_eq!(names(&["11-b"]), Ok(vec!["11-b".to_owned()]));
        assert!(matches!(names(&["10", "3"]), Err(Failure::Usage(why)) if why.contains("`3`")));
    }

    #[test]
    fn items_are_done_by_all_copies_in_order() {
        let root = Workspace::read().unwrap().root;
        let copies = [0, 1].map(|number| Copy::of(&root, number).unwrap());
        let both = Barrier::new(2);
        let done = on_each(&copies, vec![1, 2], |copy, item| {
            // Neither ends before the other has begun.
            both.wait();
            Ok((item, copy.folder().to_owned()))
        });
        let done = done.unwrap();
        assert_eq!((done[0].0, done[1].0), (1, 2));
        assert_ne!(done[0].1, done[1].1);
        let begun = Mutex::new(Vec::new());
        let failed = on_each(&copies[..1], vec![1, 2, 3], |_, item| {
            begun.lock().unwrap().push(item);
            if item == 2 { Err(Failure::Check("two".to_owned())) } else { Ok(()) }
        });
        assert_eq!((failed, begun.into_inner().unwrap()), (Err(Failure::Check("two".to_owned())), vec![1, 2]));
    }

    #[test]
    fn patches_of_this_project_are_valid() {
        assert_eq!(run(Parser::from_args(["--check"])), Ok(()));
    }

    #[test]
    fn each_promise_is_broken_at_least_once() {
        let root = Workspace::read().unwrap().root;
        let promises: BTreeSet<_> =
            Patch::read_all(&root.join(PATCHES)).unwrap().into_iter().map(|patch| patch.promise).collect();
        assert_eq!(promises, (1..=13).collect());
    }
}
