//! A release: its checks, and the commands that publish it.

use std::{path::Path, process::Command, time::Instant};

use xtask::{
    Failure,
    workspace::{self, Workspace, output},
};

/// Checks that take long, beside those of CI.
const LONG: [(&str, &str); 9] = [
    ("everything of CI", "cargo xtask ci"),
    ("claims and deliberate breaks", "cargo xtask claims"),
    ("fresh crates", "cargo xtask fresh-crates"),
    ("judges", "cargo xtask judges"),
    ("fuzz targets", "cargo xtask fuzz"),
    ("campaign A", "cargo xtask campaign --release --seeds 0..5005"),
    ("campaign B", "cargo xtask campaign --release --tls --seeds 0..100"),
    ("campaign C", "cargo xtask campaign --release --store --seeds 0..1 --tenants 50"),
    ("benches", "cargo xtask bench compare"),
];

/// Checks a release. With `quick`, only what takes seconds. Nothing is published: the last lines are the commands that do.
pub(crate) fn run(quick: bool) -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    let root = &workspace.root;
    let version = env!("CARGO_PKG_VERSION");
    let changelog =
        std::fs::read_to_string(root.join("CHANGELOG.md")).map_err(|error| Failure::broken("CHANGELOG.md", error))?;
    let mut found = issues(&changelog, version);
    if !said(root, "git", &["status", "--porcelain"])?.is_empty() {
        found.push("the tree has changes; commit them".to_owned());
    }
    let tags = said(root, "git", &["tag", "--list", "v*", "--sort=-v:refname"])?;
    if tags.lines().any(|tag| tag == format!("v{version}")) {
        found.push(format!("the tag v{version} exists; raise the version in Cargo.toml"));
    }
    for package in workspace.crates() {
        let manifest = std::fs::read_to_string(root.join("crates").join(&package.name).join("Cargo.toml"))
            .map_err(|error| Failure::broken(&package.name, error))?;
        found.extend(missing_keys(&manifest).into_iter().map(|key| format!("{}: no `{key}`", package.name)));
    }
    for issue in &found {
        println!("release: {issue}");
    }
    if !quick {
        if let Some(last) = tags.lines().next() {
            step(root, "semver", &format!("cargo semver-checks --workspace --baseline-rev {last}"))?;
        }
        for (name, line) in LONG {
            step(root, name, line)?;
        }
    }
    if !found.is_empty() {
        return Err(Failure::Check(format!("release of {version}: {} found", found.len())));
    }
    println!("All checks passed. A person publishes, in this order:");
    println!("  git tag --sign v{version} --message 'v{version}' && git push origin v{version}");
    println!(
        "  cargo publish {}",
        workspace.crates().map(|krate| format!("-p {}", krate.name)).collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

/// Returns what is wrong with the changelog for this version.
fn issues(changelog: &str, version: &str) -> Vec<String> {
    let headings: Vec<&str> = changelog.lines().filter(|line| line.starts_with("## [")).collect();
    let mut found = Vec::new();
    if !headings.iter().any(|line| line.starts_with(&format!("## [{version}] - 20"))) {
        found.push(format!("CHANGELOG.md has no heading `## [{version}] - DATE`"));
    }
    let unreleased = changelog.split_once("## [Unreleased]").map_or("", |(_, rest)| rest);
    let unreleased = unreleased.split("\n## [").next().unwrap_or_default();
    if unreleased.lines().any(|line| line.starts_with("- ")) {
        found.push("CHANGELOG.md has entries under `Unreleased`; move them below the version".to_owned());
    }
    found
}

/// Returns the keys that a manifest needs on a registry.
fn missing_keys(manifest: &str) -> Vec<&'static str> {
    const KEYS: [&str; 9] = [
        "description",
        "license",
        "rust-version",
        "documentation",
        "repository",
        "homepage",
        "keywords",
        "categories",
        "readme",
    ];
    let has = |key: &str| {
        manifest.lines().any(|line| line.starts_with(&format!("{key} =")) || line.starts_with(&format!("{key}.")))
    };
    KEYS.into_iter().filter(|key| !has(key)).collect()
}

fn said(root: &Path, program: &str, arguments: &[&str]) -> Result<String, Failure> {
    output(Command::new(program).args(arguments).current_dir(root)).map(|text| text.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a person waits for this in real time")]
fn step(root: &Path, name: &str, line: &str) -> Result<(), Failure> {
    let began = Instant::now();
    let mut words = line.split_whitespace().skip(1);
    let mut cargo = workspace::cargo(root);
    cargo.args(&mut words);
    eprintln!("release: {name}: {line}");
    let status = cargo.status().map_err(|error| Failure::broken(name, error))?;
    eprintln!("release: {name}: {:.0} s", began.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(Failure::broken(format!("{name}: `{line}`"), status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changelog_needs_heading_and_no_open_entry() {
        assert_eq!(issues("## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n\n- x\n", "1.2.0"), Vec::<String>::new());
        assert_eq!(issues("## [Unreleased]\n\n- x\n\n## [1.1.0] - 2026-12-01\n", "1.2.0").len(), 2);
    }

    #[test]
    fn missing_key_of_manifest_is_named() {
        let manifest = "description = \"x\"\nlicense.workspace = true\n";
        assert!(missing_keys(manifest).contains(&"repository") && !missing_keys(manifest).contains(&"license"));
    }
}
