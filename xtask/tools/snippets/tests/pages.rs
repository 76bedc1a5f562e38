//! The blocks and the commands of all pages.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a page that cannot be read fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;
use xtask::{
    markdown::{Block, blocks, pages},
    workspace::{cargo, output},
};

/// Languages of blocks. A block without a language is Rust for rustdoc and nothing for GitHub. A block in `Rust` is Rust for GitHub and
/// nothing for rustdoc: it is a part of a program of `xtask`.
const LANGUAGES: [&str; 11] =
    ["toml", "rust", "Rust", "text", "sh", "bash", "json", "python", "js", "powershell", "sql"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// Returns each page with its path from the root.
fn texts() -> Vec<(String, String)> {
    let root = root();
    let text = |page: PathBuf| {
        let name = page.strip_prefix(&root).unwrap().iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>();
        (name.join("/"), std::fs::read_to_string(&page).unwrap())
    };
    pages(&root).into_iter().map(text).collect()
}

/// Returns the Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Returns what `fault` finds in the blocks of all pages, each with its place.
fn faults<F: AsRef<str>>(fault: impl Fn(&str, &Block<'_>) -> Option<F>) -> Vec<String> {
    let mut found = Vec::new();
    for (page, text) in texts() {
        for block in blocks(&text) {
            found.extend(fault(&page, &block).map(|fault| format!("{page}:{}: {}", block.line, fault.as_ref())));
        }
    }
    found
}

#[test]
fn each_rust_block_is_a_doctest() {
    let root = root();
    let is_doc_of_crate = |page: &str| {
        let source = page.strip_suffix("README.md").map(|folder| root.join(folder).join("src/lib.rs"));
        let source = source.and_then(|source| std::fs::read_to_string(source).ok());
        source.is_some_and(|source| source.contains("doc = include_str!(\"../README.md\")"))
    };
    let programs: Vec<String> =
        sources(&root.join("xtask")).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let found = faults(|page, block| {
        let is_tested = || snippets::PAGES.contains(&page) || is_doc_of_crate(page);
        match block.language() {
            // Code that needs a crate which the page's own crate must not have is a part of a program elsewhere.
            "Rust" => (!programs.iter().any(|program| program.contains(block.text)))
                .then_some("is not tested by rustdoc, and no program of xtask has it"),
            "rust" if block.info.contains("ignore") => Some("is ignored"),
            "rust" if !is_tested() => Some("is in a page that is not in `pages!` of xtask/tools/snippets"),
            _ => None,
        }
    });
    assert_eq!(found, [""; 0]);
    for page in snippets::PAGES {
        assert!(root.join(page).is_file(), "{page}");
    }
}

#[test]
fn each_block_has_a_language() {
    let found = faults(|_, block| (!LANGUAGES.contains(&block.language())).then_some("has no known language"));
    assert_eq!(found, [""; 0]);
}

/// GitHub shows the lines that rustdoc hides.
#[test]
fn no_rust_block_hides_lines() {
    let is_hidden = |line: &str| line.trim() == "#" || line.trim_start().starts_with("# ");
    let found = faults(|_, block| {
        (block.language() == "rust" && block.text.lines().any(is_hidden)).then_some("hides lines from rustdoc alone")
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn each_json_block_parses() {
    let found = faults(|_, block| {
        let parsed = (block.language() == "json").then(|| serde_json::from_str::<Value>(block.text));
        parsed?.err().map(|error| error.to_string())
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn readme_lists_guides_pages_and_examples() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut found = Vec::new();
    for (folder, end) in [("docs", "md"), ("docs/guides", "md"), ("crates/defender-actions/examples", "rs")] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.extension().is_some_and(|extension| extension == end)) {
            let link = format!("]({folder}/{})", path.file_name().unwrap().to_str().unwrap());
            found.extend((!readme.contains(&link)).then_some(link));
        }
    }
    assert_eq!(found, [""; 0]);
}

/// The line of an error ends with the name of its kind, which is a heading of the page. The kinds are from the snapshot of their texts.
#[test]
fn each_error_kind_has_a_heading() {
    let texts = std::fs::read_to_string(root().join("crates/defender-actions/tests/error-texts.txt")).unwrap();
    let lines = texts.lines().filter(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| Some(line.strip_suffix(']')?.rsplit_once(" [")?.1.to_owned()));
    let names: BTreeSet<String> = names.collect();
    assert!(names.len() >= 26 && names.contains("outcome-unknown"), "{names:?}");

    let page = std::fs::read_to_string(root().join("docs/guides/troubleshooting.md")).unwrap();
    let sections = page.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    let sections: BTreeMap<String, &str> = sections.map(|(name, text)| (name.to_owned(), text)).collect();
    assert_eq!(sections.keys().cloned().collect::<BTreeSet<_>>(), names);
    for (name, text) in sections {
        assert!(text.contains("*Was it sent?*") && text.contains("*What to do:*"), "{name}");
        assert!(page.contains(&format!("[{name}](#{name})")), "the table at the top has no {name}");
    }
}

/// A program from a guide compiles in a fresh crate with the packages that the guide adds.
#[test]
fn guides_add_the_crates_that_they_use() {
    let mut found = Vec::new();
    for (page, text) in texts().into_iter().filter(|(page, _)| page.starts_with("docs/guides/")) {
        let added: BTreeSet<String> = commands(&text)
            .into_iter()
            .filter(|command| command.subcommand == "add")
            .flat_map(|command| command.words)
            .map(|name| name.replace('-', "_"))
            .collect();
        for block in blocks(&text).iter().filter(|block| block.language() == "rust") {
            for krate in crates_of(block.text).difference(&added) {
                found.push(format!("{page}:{}: uses `{krate}`, and no `cargo add` of the page names it", block.line));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

/// An error is one line by `{}`. A `main` that returns it prints its `Debug` form.
#[test]
fn programs_print_errors_by_display() {
    let found = faults(|_, block| {
        let is_of_client = ["DefenderClient", "Fleet"].iter().any(|client| block.text.contains(client));
        (is_of_client && block.text.contains("fn main() -> Result")).then_some("`main` returns the error of the client")
    });
    assert_eq!(found, [""; 0]);
}

/// Every library says how it is added, and its page names every crate that its programs use.
#[test]
fn readmes_add_their_crates() {
    let mut found = Vec::new();
    for (page, text) in
        texts().into_iter().filter(|(page, _)| page.starts_with("crates/") && page.ends_with("/README.md"))
    {
        let name = page.split('/').nth(1).unwrap().to_owned();
        if !root().join("crates").join(&name).join("src/lib.rs").is_file() {
            continue;
        }
        let added: BTreeSet<String> = commands(&text)
            .into_iter()
            .filter(|command| command.subcommand == "add")
            .flat_map(|command| command.words)
            .collect();
        if !added.contains(&name) {
            found.push(format!("{page}: no `cargo add {name}`"));
        }
        let added: BTreeSet<String> = added.iter().map(|name| name.replace('-', "_")).collect();
        for block in blocks(&text).iter().filter(|block| block.language() == "rust") {
            for krate in crates_of(block.text).difference(&added) {
                found.push(format!("{page}:{}: uses `{krate}`, and no `cargo add` of the page names it", block.line));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

/// Returns the crates that a program names in `use` and in attributes.
fn crates_of(program: &str) -> BTreeSet<String> {
    let is_own = |name: &str| ["std", "core", "crate", "self", "super", "defender_actions"].contains(&name);
    let named = program.lines().filter_map(|line| {
        let line = line.trim_start();
        let path = line.strip_prefix("use ").or_else(|| line.strip_prefix("#["))?;
        path.split_once("::").map(|(name, _)| name.to_owned())
    });
    named.filter(|name| !is_own(name) && name.chars().all(|c| c.is_alphanumeric() || c == '_')).collect()
}

/// Command of cargo in a page.
#[derive(Debug, Default)]
struct Command {
    line: String,
    subcommand: String,
    /// Words that are neither options nor their values.
    words: Vec<String>,
    options: BTreeMap<String, Vec<String>>,
}

impl Command {
    fn values(&self, options: &[&str]) -> impl Iterator<Item = &str> {
        let found = options.iter().filter_map(|option| self.options.get(*option)).flatten();
        found.flat_map(|value| value.split(',')).filter(|value| !is_placeholder(value))
    }
}

/// Returns whether a word stands for another one, such as `NAME`.
fn is_placeholder(word: &str) -> bool {
    word.is_empty() || word.chars().all(|c| c.is_ascii_uppercase() || "[]….".contains(c))
}

/// Returns the commands of cargo in a page, in blocks and in code spans.
fn commands(text: &str) -> Vec<Command> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("cargo ") {
            let (before, rest) = line.split_at(at);
            let is_span = before.matches('`').count() % 2 == 1;
            let is_line = before.trim().is_empty() && !line.contains('`');
            if is_span || is_line {
                found.extend(command(rest));
            }
        }
    }
    found
}

fn command(text: &str) -> Option<Command> {
    let line = text.split(['`', '#', '|', ';', '&', '>', '\\']).next()?.trim();
    let mut words = line.split_whitespace().skip(1).filter(|word| !word.starts_with('+')).peekable();
    let subcommand = words.next()?.to_owned();
    let mut command = Command { line: line.to_owned(), subcommand, ..Command::default() };
    while let Some(word) = words.next() {
        let word = word.trim_matches(['\'', '"']);
        match word {
            "--" => break,
            "-p" | "--package" | "--example" | "--features" | "-F" | "--bench" | "--test" | "--bin" | "--rename" => {
                command.options.entry(word.to_owned()).or_default().extend(words.next().map(str::to_owned));
            }
            word if word.starts_with('-') => {}
            // `azure_identity@1` is a package with a version.
            word => command.words.extend(word.split('@').next().map(str::to_owned)),
        }
    }
    Some(command)
}

/// What exists in the workspace, by cargo.
struct Known {
    packages: BTreeMap<String, Value>,
    foreign: String,
    xtask: String,
}

impl Known {
    fn read() -> Self {
        let root = root();
        let metadata = output(cargo(&root).args(["metadata", "--no-deps", "--format-version", "1"])).unwrap();
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let packages = metadata["packages"].as_array().unwrap().iter();
        let text = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
        Self {
            packages: packages.map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect(),
            foreign: text("Cargo.lock"),
            xtask: text("xtask/src/main.rs"),
        }
    }

    fn has_target(&self, kind: &str, name: &str) -> bool {
        let targets = self.packages.values().flat_map(|package| package["targets"].as_array().unwrap());
        targets.into_iter().any(|target| target["name"] == name && target["kind"][0] == kind)
    }

    fn has_feature(&self, package: &str, feature: &str) -> bool {
        self.packages.get(package).is_some_and(|package| !package["features"][feature].is_null())
    }

    /// Returns the fault of a command, if it has one.
    fn fault(&self, command: &Command) -> Option<String> {
        let known = [
            "add",
            "bench",
            "clippy",
            "deny",
            "doc",
            "fmt",
            "install",
            "metadata",
            "new",
            "package",
            "run",
            "test",
            "tree",
            "xtask",
            "build",
            "check",
            "semver-checks",
            "update",
            "yank",
        ];
        if !known.contains(&command.subcommand.as_str()) {
            return Some(format!("unknown command `{}`", command.subcommand));
        }
        // A package of a program's own lock file.
        if command.subcommand == "update" {
            return None;
        }
        for (option, kind) in [("--example", "example"), ("--bench", "bench"), ("--test", "test")] {
            if let Some(name) = command.values(&[option]).find(|name| !self.has_target(kind, name)) {
                return Some(format!("no {kind} `{name}`"));
            }
        }
        let is_ours = |name: &&str| self.packages.contains_key(*name) || *name == "defender-*";
        if let Some(name) = command.values(&["-p", "--package"]).find(|name| !is_ours(name)) {
            return Some(format!("no package `{name}`"));
        }
        match (command.subcommand.as_str(), command.words.first()) {
            ("xtask", Some(name)) if !is_placeholder(name) => {
                let is_there = self.xtask.lines().any(|line| line.trim_start().split(' ').next() == Some(name));
                (!is_there).then(|| format!("no command `{name}`"))
            }
            ("install", _) if command.line.contains("--path") => {
                let mut folders = command.words.iter().filter(|word| word.contains('/'));
                folders.find(|folder| !root().join(folder).is_dir()).map(|folder| format!("no folder `{folder}`"))
            }
            ("add" | "install", _) => self.fault_of_add(command),
            _ => None,
        }
    }

    fn fault_of_add(&self, command: &Command) -> Option<String> {
        for name in command.words.iter().filter(|name| !is_placeholder(name)) {
            let is_foreign = || self.foreign.contains(&format!("\nname = \"{name}\"\n"));
            let is_published = |package: &Value| package["publish"].is_null();
            let is_there = self.packages.get(name).map_or_else(is_foreign, is_published);
            if !is_there {
                return Some(format!("no package `{name}`"));
            }
        }
        let [package] = &command.words[..] else { return None };
        let ours = self.packages.contains_key(package);
        let missing = command.values(&["--features", "-F"]).find(|feature| ours && !self.has_feature(package, feature));
        missing.map(|feature| format!("{package} has no feature `{feature}`"))
    }
}

#[test]
fn each_command_names_what_exists() {
    let known = Known::read();
    let mut found = Vec::new();
    let mut count = 0;
    for (page, text) in texts() {
        for command in commands(&text) {
            count += 1;
            found.extend(known.fault(&command).map(|fault| format!("{page}: `{}`: {fault}", command.line)));
        }
    }
    assert_eq!(found, [""; 0]);
    assert!(count > 80, "{count} commands were found");
}

/// Lines of a shell are commands of cargo, which the test above checks, commands of the program, or variables that the SDK reads. `cargo xtask walkthrough` runs
/// the lines in the README of the emulator.
#[test]
fn each_line_of_a_shell_is_checked() {
    let sources = [
        "auth/src/env_vars.rs",
        "actions/src/client/builder/environment.rs",
        "transport/src/hyper/proxy/environment.rs",
    ];
    let sources =
        sources.map(|file| std::fs::read_to_string(root().join("crates/defender-".to_owned() + file)).unwrap());
    let is_known = |line: &str| {
        let is_variable = |name: &str| sources.iter().any(|source| source.contains(&format!("\"{name}\"")));
        let variable = line.strip_prefix("export ").and_then(|rest| rest.split_once('='));
        line.is_empty()
            || line.starts_with("cargo ")
            || line.starts_with('#')
            || line.starts_with(".ci/run")
            // The transcripts of the program have each of its commands.
            || line.starts_with("defender ")
            || variable.is_some_and(|(name, _)| is_variable(name))
    };
    let found = faults(|page, block| {
        let lines = || block.text.lines().map(str::trim).find(|line| !is_known(line));
        (block.language() == "sh" && page != "crates/defender-emulator/README.md")
            .then(lines)
            .flatten()
            .map(str::to_owned)
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn wrong_commands_are_found() {
    let known = Known::read();
    for (line, fault) in [
        ("cargo run --example isolate-and-wait", None),
        ("cargo run --example isolate", Some("no example `isolate`")),
        ("cargo xtask breaks --check", None),
        ("cargo xtask brakes", Some("no command `brakes`")),
        ("cargo xtask bench NAME", None),
        ("cargo add defender-actions --features tracing,ring", None),
        ("cargo add defender-actions --features trace", Some("defender-actions has no feature `trace`")),
        ("cargo add tokio --features macros,rt-multi-thread", None),
        ("cargo add tokyo", Some("no package `tokyo`")),
        ("cargo add xtask", Some("no package `xtask`")),
        ("cargo test -p CRATE --lib", None),
        ("cargo test -p defender", Some("no package `defender`")),
        ("cargo isolate", Some("unknown command `isolate`")),
    ] {
        assert_eq!(known.fault(&command(line).unwrap()).as_deref(), fault, "{line}");
    }
}

#[test]
fn commands_are_read_from_blocks_and_spans() {
    let text = "```sh\ncargo add tokio --features macros # once\n```\nRun `cargo xtask ci`, and cargo does the rest.\n";
    let lines: Vec<_> = commands(text).into_iter().map(|command| command.line).collect();
    assert_eq!(lines, ["cargo add tokio --features macros", "cargo xtask ci"]);
}
