//! Fresh crates outside the workspace: each way to use the SDK, from packaged crates, with the dependencies that the READMEs name.
//!
//! The sources are in `xtask/fresh`. The dependencies are the `cargo add` lines of a README, so that neither can state what the
//! other lacks. A program runs against the emulator's program, and a library runs its tests.

mod readme;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use readme::Addition;
use xtask::{
    Failure,
    emulator::{self, Program},
    workspace::{self, Workspace, output},
};

use crate::packages::Packages;

/// A fresh crate.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    /// Name of the package, and of its folder in `xtask/fresh`.
    name: &'static str,
    /// READMEs and the titles in them whose `cargo add` lines it has.
    recipes: &'static [(&'static str, &'static str)],
    /// Text that the program prints if all went well. A crate without it is a library with tests.
    prints: Option<&'static str>,
    /// Packages that the crate must not bring, as the names or their beginnings.
    absent: &'static [&'static str],
}

const ACTIONS: &str = "crates/defender-actions/README.md";
const TRANSPORT: &str = "crates/defender-transport/README.md";

const FRESH: [Fresh; 9] = [
    Fresh {
        name: "facade",
        recipes: &[("README.md", "act on machines"), (ACTIONS, "act on machines, over hyper and rustls")],
        prints: Some(" is Pending"),
        absent: &["reqwest", "openssl-sys", "pkcs8"],
    },
    Fresh {
        name: "model",
        recipes: &[("crates/defender-model/README.md", "requests and records, over any HTTP library")],
        prints: Some(" is Pending"),
        absent: &["http", "hyper", "rustls", "tokio"],
    },
    Fresh {
        name: "transport",
        recipes: &[(TRANSPORT, "requests to any API, over hyper and rustls")],
        prints: Some("token endpoint: 400"),
        absent: &["defender-model", "defender-auth", "defender-actions", "reqwest", "openssl-sys"],
    },
    Fresh {
        name: "auth-reqwest",
        recipes: &[("crates/defender-auth/README.md", "tokens, over reqwest by the recipe in defender-transport")],
        prints: Some("machines: 200 OK"),
        absent: &["defender-model", "defender-actions", "openssl-sys"],
    },
    Fresh {
        name: "facade-reqwest",
        recipes: &[(ACTIONS, "over reqwest, by the recipe in defender-transport")],
        prints: Some(" is Pending"),
        absent: &["openssl-sys", "pkcs8"],
    },
    Fresh {
        name: "facade-tower",
        recipes: &[(ACTIONS, "in a stack of tower")],
        prints: Some(" is Pending"),
        absent: &["reqwest", "openssl-sys", "pkcs8"],
    },
    Fresh {
        name: "facade-azure-identity",
        recipes: &[("crates/defender-azure-identity/README.md", "act on machines with a credential of the Azure SDK")],
        prints: Some(" is Pending"),
        absent: &["openssl-sys", "pkcs8"],
    },
    Fresh {
        name: "facade-tests",
        recipes: &[(ACTIONS, "code with tests"), (TRANSPORT, "tests of a client"), EMULATOR],
        prints: None,
        absent: &["mockall", "reqwest", "openssl-sys", "pkcs8"],
    },
    Fresh {
        name: "facade-bare",
        recipes: &[(ACTIONS, "over another transport, with no hyper and no TLS of the SDK"), EMULATOR],
        prints: None,
        absent: &["hyper", "rustls", "reqwest", "openssl-sys", "pkcs8", "mio"],
    },
];
const EMULATOR: (&str, &str) = ("crates/defender-emulator/README.md", "the service in tests");

/// Source of the module `reqwest_transport`, which the README of defender-transport shows.
const REQWEST: &str = "reqwest_transport.rs";

/// Makes, builds and runs the crates of these names, or all of them.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = names.iter().find(|name| FRESH.iter().all(|fresh| fresh.name != name.as_str())) {
        let known = FRESH.map(|fresh| fresh.name).join(", ");
        return Err(Failure::Usage(format!("there is no fresh crate `{unknown}`; there are {known}")));
    }
    let workspace = Workspace::read()?;
    every_recipe_is_tried(&workspace)?;
    let packages = Packages::unpack(&workspace)?;
    let emulator = emulator::build(&workspace.root)?;
    for fresh in FRESH.iter().filter(|fresh| names.is_empty() || names.iter().any(|name| name == fresh.name)) {
        timed(fresh.name, || fresh.check(&workspace.root, &packages, &emulator))?;
    }
    Ok(())
}

/// Prints what was done, and how long it took.
#[expect(clippy::disallowed_methods, reason = "a person waits for this in real time")]
fn timed(name: &str, step: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
    eprintln!("fresh-crates: {name}");
    let began = Instant::now();
    let done = step().map_err(|failure| match failure {
        Failure::Check(what) => Failure::Check(format!("fresh crate {name}: {what}")),
        usage @ Failure::Usage(_) => usage,
    })?;
    println!("{name}: {done}; {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Fails if a README has `cargo add` lines that no fresh crate has.
fn every_recipe_is_tried(workspace: &Workspace) -> Result<(), Failure> {
    let root = [workspace.root.clone()];
    for folder in workspace.crates().map(|package| &package.folder).chain(&root) {
        let file = folder.join("README.md");
        let text = fs::read_to_string(&file).map_err(|error| Failure::broken(file.display(), error))?;
        for title in readme::titles(&text) {
            let is_this = |recipe: &&(&str, &str)| workspace.root.join(recipe.0) == file && recipe.1 == title;
            if FRESH.iter().flat_map(|fresh| fresh.recipes).find(is_this).is_none() {
                let place = file.strip_prefix(&workspace.root).unwrap_or(&file).display();
                return Err(Failure::Check(format!("{place}: no fresh crate has the lines of `# {title}`")));
            }
        }
    }
    Ok(())
}

impl Fresh {
    /// Makes it anew, and runs it. Returns what is worth a line.
    fn check(&self, root: &Path, packages: &Packages, emulator: &Path) -> Result<String, Failure> {
        let additions = self.additions(root)?;
        let folder = self.make(packages)?;
        for addition in &additions {
            output(&mut add(packages, &folder, addition))?;
        }
        self.copy(&root.join("xtask/fresh"), &folder, &additions)?;
        for addition in &additions {
            uses(&folder, &addition.package)?;
        }
        let brought = self.brought(packages, &folder)?;
        let ran = if let Some(text) = self.prints {
            self.run(packages, &folder, emulator, text)?
        } else {
            output(cargo(packages, &folder).args(["test", "--quiet"]))?;
            "its tests passed".to_owned()
        };
        Ok(format!("{} dependencies, {brought} packages, {ran}", additions.len()))
    }

    /// The dependencies that the READMEs name for it, each once. Two READMEs may name the same.
    fn additions(&self, root: &Path) -> Result<Vec<Addition>, Failure> {
        let mut all = Vec::<Addition>::new();
        for (file, title) in self.recipes {
            let text = fs::read_to_string(root.join(file)).map_err(|error| Failure::broken(file, error))?;
            let lines = readme::additions(&text, title).map_err(|error| Failure::broken(file, error))?;
            all.extend(lines.into_iter().filter(|line| !all.contains(line)).collect::<Vec<_>>());
        }
        Ok(all)
    }

    /// An empty crate, as `cargo new` makes it, and a workspace of its own: `cargo new` would add it to ours, where the target
    /// folder may be.
    fn make(&self, packages: &Packages) -> Result<PathBuf, Failure> {
        let folder = packages.folder.join(self.name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
        }
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\n[workspace]\n",
            self.name
        );
        let (source, text) = if self.prints.is_some() { ("src/main.rs", "fn main() {}\n") } else { ("src/lib.rs", "") };
        let made = fs::create_dir_all(folder.join("src"))
            .and_then(|()| fs::write(folder.join("Cargo.toml"), manifest))
            .and_then(|()| fs::write(folder.join(source), text));
        made.map_err(|error| Failure::broken(folder.display(), error))?;
        Ok(folder)
    }

    /// Copies the sources into it.
    fn copy(&self, from: &Path, folder: &Path, additions: &[Addition]) -> Result<(), Failure> {
        let own = from.join(self.name);
        let read = |file: &Path| fs::read_to_string(file).map_err(|error| Failure::broken(file.display(), error));
        let mut files = Vec::new();
        if self.prints.is_some() {
            let main = read(&own.join("main.rs"))?;
            if main.contains("mod reqwest_transport;") {
                let mut module = read(&from.join(REQWEST))?;
                // A program that has the facade has the transport by its re-export.
                if additions.iter().all(|addition| addition.package != "defender-transport") {
                    module = module.replace("use defender_transport::", "use defender_actions::transport::");
                }
                files.push(("src/reqwest_transport.rs", module));
            }
            files.push(("src/main.rs", main));
        } else {
            files.push(("src/lib.rs", read(&own.join("lib.rs"))?));
            files.push(("tests/tests.rs", read(&own.join("tests.rs"))?));
        }
        for (name, text) in files {
            let file = folder.join(name);
            let made = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
            made.map_err(|error| Failure::broken(file.display(), error))?;
        }
        Ok(())
    }

    /// The number of packages in its tree, without those of its tests.
    fn brought(&self, packages: &Packages, folder: &Path) -> Result<usize, Failure> {
        let mut tree = cargo(packages, folder);
        tree.args(["tree", "--quiet", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}"]);
        let tree = output(&mut tree)?;
        let names = tree.lines().skip(1).filter_map(|line| line.split(' ').next());
        let names: std::collections::BTreeSet<&str> = names.collect();
        let is_of = |name: &str, family: &str| {
            name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        match names.iter().find(|name| self.absent.iter().any(|family| is_of(name, family))) {
            Some(name) => Err(Failure::Check(format!("it brings `{name}`"))),
            None => Ok(names.len()),
        }
    }

    /// Runs the program against an emulator of its own, in the environment that the SDKs of Azure read.
    fn run(&self, packages: &Packages, folder: &Path, emulator: &Path, text: &str) -> Result<String, Failure> {
        // Built before, since cargo, too, would trust the emulator's CA alone.
        output(cargo(packages, folder).args(["build", "--quiet"]))?;
        let emulator = Program::start(emulator, &format!("fresh-{}", self.name), ["--port", "0"])?;
        let mut command: Command = cargo(packages, folder);
        command.args(["run", "--quiet"]).env_remove("SSL_CERT_DIR");
        // The first is read by rustls and by OpenSSL, and the second, if it is set, comes before it in curl.
        command.env("SSL_CERT_FILE", emulator.ca_file()).env("CURL_CA_BUNDLE", emulator.ca_file());
        for (variable, pointer) in [
            ("AZURE_TENANT_ID", "/tenant_id"),
            ("AZURE_CLIENT_ID", "/client_id"),
            ("AZURE_CLIENT_SECRET", "/client_secret"),
            ("AZURE_AUTHORITY_HOST", "/authority"),
            ("DEFENDER_BASE_URL", "/base_url"),
            ("DEFENDER_MACHINE_ID", "/machine_ids/0"),
        ] {
            command.env(variable, emulator.text(pointer)?);
        }
        let said = output(command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1"))?;
        match said.lines().find(|line| line.contains(text)) {
            Some(line) => Ok(format!("it printed `{line}`")),
            None => Err(Failure::Check(format!("it did not print `{text}`: {said}"))),
        }
    }
}

/// A cargo in the folder of a fresh crate. All crates share one target directory.
fn cargo(packages: &Packages, folder: &Path) -> Command {
    let mut cargo = workspace::cargo(folder);
    cargo.env("CARGO_TARGET_DIR", packages.folder.join("target")).env("CARGO_INCREMENTAL", "0");
    // Nobody debugs these programs, and they link in a third of the time.
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo
}

/// The `cargo add` of a README. A crate of ours is taken from its package, since `cargo add` asks the registry alone.
fn add(packages: &Packages, folder: &Path, addition: &Addition) -> Command {
    let mut add = cargo(packages, folder);
    add.args(["add", "--quiet"]).args(&addition.arguments);
    if let Some((_, path)) = packages.unpacked.iter().find(|(name, _)| *name == addition.package) {
        add.arg("--path").arg(path);
    }
    add
}

/// Fails if no source names this dependency.
fn uses(folder: &Path, package: &str) -> Result<(), Failure> {
    let krate = package.replace('-', "_");
    let sources = ["src/main.rs", "src/reqwest_transport.rs", "src/lib.rs", "tests/tests.rs"];
    let named = sources.iter().filter_map(|file| fs::read_to_string(folder.join(file)).ok()).any(|source| {
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let mut words = code.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'));
        words.any(|word| word == krate)
    });
    if named { Ok(()) } else { Err(Failure::Check(format!("it needs no `{package}`, which the README names"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fresh_crate_has_its_lines_and_sources() {
        let workspace = Workspace::read().unwrap();
        every_recipe_is_tried(&workspace).unwrap();
        for fresh in FRESH {
            assert!(!fresh.additions(&workspace.root).unwrap().is_empty(), "{}", fresh.name);
            let folder = workspace.root.join("xtask/fresh").join(fresh.name);
            let files: &[&str] = if fresh.prints.is_some() { &["main.rs"] } else { &["lib.rs", "tests.rs"] };
            assert!(files.iter().all(|file| folder.join(file).is_file()), "{}", fresh.name);
        }
    }
}
