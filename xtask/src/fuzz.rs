//! The fuzz targets of all crates, one after the other: `fuzz/fuzz_targets` of each crate, by cargo-fuzz.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{
    Failure,
    workspace::{self, Workspace},
};

use crate::tools;

const INSTALL: &str = "install it by `cargo install cargo-fuzz --locked`";
/// Time of a target.
const SECONDS: u64 = 600;

/// Runs the targets that the arguments name, or all. The first failure ends it.
///
/// New inputs go to `target/fuzz/corpus`, and not into the corpus of the crate, which a person extends.
pub(crate) fn run(arguments: &mut Parser) -> Result<(), Failure> {
    let (mut seconds, mut names) = (SECONDS, Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("seconds") => seconds = arguments.value()?.parse()?,
            Arg::Value(name) => names.push(name.string()?),
            argument => return Err(argument.unexpected().into()),
        }
    }
    let root = Workspace::read()?.root;
    let all = targets(&root.join("crates"))?;
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|(_, target)| target != *name)) {
        let known: Vec<_> = all.iter().map(|(_, target)| target.as_str()).collect();
        return Err(Failure::Usage(format!("no fuzz target `{unknown}`; there are {}", known.join(", "))));
    }
    let version = Command::new("cargo").args(["fuzz", "--version"]).output();
    if !version.is_ok_and(|version| version.status.success()) {
        return Err(Failure::Check(format!("cargo-fuzz is missing: {INSTALL}")));
    }
    let nightly = tools::nightly()?;
    let build = workspace::target(&root).join("fuzz");
    for (folder, target) in all.iter().filter(|(_, target)| names.is_empty() || names.contains(target)) {
        let found = build.join("corpus").join(target);
        fs::create_dir_all(&found).map_err(|error| Failure::broken(found.display(), error))?;
        let mut cargo = Command::new("rustup");
        cargo.args(["run", &nightly, "cargo", "fuzz", "run", "--fuzz-dir"]).arg(folder);
        cargo.arg("--target-dir").arg(&build).arg(target).args([&found, &folder.join("corpus").join(target)]);
        cargo.arg("--").arg(format!("-dict={}", folder.join("dict").display()));
        cargo.args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()]);
        // Cargo gives the path of the stable toolchain to what it runs.
        cargo.env_remove("CARGO");
        eprintln!("fuzz: {target}, {seconds} s");
        let status = cargo.status().map_err(|error| Failure::broken("rustup", error))?;
        if !status.success() {
            return Err(Failure::broken(format!("fuzz target {target}; the output above names the input"), status));
        }
    }
    Ok(())
}

/// The targets, each with the folder of its package, in the order of crates and names.
fn targets(crates: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut found = Vec::new();
    for krate in entries(crates)? {
        let folder = krate.join("fuzz");
        if !folder.is_dir() {
            continue;
        }
        let names = entries(&folder.join("fuzz_targets"))?;
        let names = names.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()));
        found.extend(names.map(|name| (folder.clone(), name)));
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let entries = fs::read_dir(folder).map_err(broken)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(broken)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_target_has_corpus_and_replay() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let all = targets(&crates).unwrap();
        let names: BTreeSet<_> = all.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), all.len(), "a name is the argument of `cargo xtask fuzz`");
        for (folder, target) in &all {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in the manifest");
            assert!(!entries(&folder.join("corpus").join(target)).unwrap().is_empty(), "{target} has no corpus");
            let tests = folder.join("../tests");
            let replays = [tests.clone(), tests.join("emulator"), tests.join("facade"), tests.join("flows")];
            let replays = replays.into_iter().chain([tests.join("layers"), tests.join("plan")]);
            let replay = replays.map(|tests| tests.join("corpus.rs")).find(|file| file.is_file()).unwrap();
            assert!(
                fs::read_to_string(replay).unwrap().contains(&format!("claims::{target}")),
                "{target} has no replay"
            );
        }
    }
}
