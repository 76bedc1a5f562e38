//! The workspace as cargo sees it.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::Failure;

/// The packages of the workspace, this one among them.
#[derive(Debug)]
pub struct Workspace {
    /// The folder of its manifest.
    pub root: PathBuf,
    /// All packages, with those that are not published.
    pub packages: Vec<Package>,
}

/// One package, as its manifest says.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name in the manifest.
    pub name: String,
    /// The folder of its manifest.
    pub folder: PathBuf,
    /// Its dependencies, of all kinds.
    pub dependencies: Vec<Dependency>,
    /// True if it goes to a registry.
    pub published: bool,
}

/// One line of a manifest's dependencies, of whatever kind.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The name of the package.
    pub name: String,
    /// `normal`, `dev` or `build`.
    pub kind: String,
    /// Version requirement as cargo writes it: `^0.1.0`.
    pub requirement: String,
    /// True if it is taken from a folder.
    pub by_path: bool,
}

/// A cargo that runs at the workspace's root: the one that runs us, if one does.
#[must_use]
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

/// The folder of what cargo builds.
#[must_use]
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    ///
    /// Fails if cargo does, or prints something else than it used to.
    pub fn read() -> Result<Self, Failure> {
        // Cargo gives it to whatever it runs; by hand, the folder in which one stands will do.
        let from = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let metadata = output(cargo(&from).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: Value =
            serde_json::from_str(&metadata).map_err(|error| Failure::broken("`cargo metadata` is not JSON", error))?;
        Self::from_metadata(&metadata)
            .ok_or_else(|| Failure::Check("`cargo metadata` is not as it used to be".to_owned()))
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let packages = metadata.get("packages")?.as_array()?.iter().map(Package::from_metadata);
        Some(Self { root: text(metadata, "workspace_root")?.into(), packages: packages.collect::<Option<_>>()? })
    }

    /// The packages that others use: all but this one.
    pub fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.published)
    }
}

impl Package {
    fn from_metadata(package: &Value) -> Option<Self> {
        let dependencies = package.get("dependencies")?.as_array()?.iter().map(Dependency::from_metadata);
        Some(Self {
            name: text(package, "name")?,
            folder: Path::new(&text(package, "manifest_path")?).parent()?.to_owned(),
            dependencies: dependencies.collect::<Option<_>>()?,
            // Null is any registry, and an empty list no registry.
            published: package.get("publish")?.as_array().is_none_or(|registries| !registries.is_empty()),
        })
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Option<Self> {
        Some(Self {
            name: text(dependency, "name")?,
            kind: text(dependency, "kind").unwrap_or_else(|| "normal".to_owned()),
            requirement: text(dependency, "req")?,
            by_path: dependency.get("path").is_some(),
        })
    }
}

fn text(of: &Value, key: &str) -> Option<String> {
    Some(of.get(key)?.as_str()?.to_owned())
}

/// Returns what `command` prints.
///
/// # Errors
///
/// Fails if the command cannot be run, fails, or prints something else than text.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let name = format!("`{}`", line(command));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| Failure::broken(&name, error))?;
    if !output.status.success() {
        return Err(Failure::broken(name, output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::broken(name, error))
}

/// Runs `command` with this input, and returns what it prints. The error is its output on stderr.
///
/// # Errors
///
/// Fails if the command cannot be run, fails, or does not read its input.
pub fn fed(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run `{}`: {error}", line(command)))?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    written.map_err(|error| error.to_string()).map(|()| output.stdout)
}

/// Exit status of `command`, if it ended within this time, and its output on stdout and stderr. The text stays in the
/// file `said`.
///
/// # Errors
///
/// Fails if the command cannot be run, or the file cannot be written.
#[expect(clippy::disallowed_methods, reason = "a program of its own runs in real time")]
pub fn within(command: &mut Command, said: &Path, at_most: Duration) -> Result<(Option<ExitStatus>, String), Failure> {
    let name = format!("`{}`", line(command));
    let broken = |error: std::io::Error| Failure::broken(&name, error);
    let file = File::create(said).map_err(broken)?;
    command.stdin(Stdio::null()).stderr(file.try_clone().map_err(broken)?).stdout(file);
    let mut program = command.spawn().map_err(broken)?;
    let broken = |error: std::io::Error| Failure::broken(said.display(), error);
    let began = Instant::now();
    let status = loop {
        match program.try_wait().map_err(broken)? {
            Some(status) => break Some(status),
            None if began.elapsed() > at_most => {
                program.kill().and_then(|()| program.wait()).map_err(broken)?;
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = std::fs::read(said).map_err(broken)?;
    Ok((status, String::from_utf8_lossy(&said).into_owned()))
}

/// The command as one would type it.
#[must_use]
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, arg| line + " " + &arg.to_string_lossy())
}

/// Returns `true` if the folder of a package has this test, in its library or program or in a target under `tests`.
#[must_use]
pub fn has_test(package: &Path, target: Option<&str>, test: &str) -> bool {
    let (sources, tests) = (package.join("src"), package.join("tests"));
    match target {
        None => ["lib.rs", "main.rs"].into_iter().any(|file| leads_to(sources.clone(), file, test)),
        Some(target) if tests.join(target).is_dir() => leads_to(tests.join(target), "main.rs", test),
        Some(target) => leads_to(tests, &format!("{target}.rs"), test),
    }
}

/// Returns `true` if the path of a test, begun in this file of the folder, leads to it.
fn leads_to(mut folder: PathBuf, file: &str, test: &str) -> bool {
    let mut file = folder.join(file);
    let has = |file: &Path, text: &str| std::fs::read_to_string(file).is_ok_and(|source| source.contains(text));
    let (modules, name) = test.rsplit_once("::").unwrap_or(("", test));
    for module in modules.split("::").filter(|module| !module.is_empty()) {
        let inside = folder.join(module);
        let files = [inside.with_extension("rs"), inside.join("mod.rs")];
        match files.into_iter().find(|file| file.is_file()) {
            Some(found) => (file, folder) = (found, inside),
            None if has(&file, &format!("mod {module} {{")) => {}
            None => return false,
        }
    }
    has(&file, &format!("fn {name}("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_of_this_workspace() {
        let workspace = Workspace::read().unwrap();
        assert!(workspace.root.join("Cargo.toml").is_file());
        assert!(workspace.packages.iter().any(|package| package.name == "xtask" && !package.published));
        assert!(workspace.packages.iter().any(|package| package.name == "campaign" && !package.published));
        let auth = workspace.crates().find(|package| package.name == "defender-auth").unwrap();
        let transport: Vec<_> = auth.dependencies.iter().filter(|d| d.name == "defender-transport").collect();
        assert_eq!(transport.iter().map(|d| d.kind.as_str()).collect::<Vec<_>>(), ["normal", "dev"]);
        assert!(transport.iter().all(|d| d.by_path && d.requirement.starts_with('^')));
    }

    #[test]
    fn failing_command_is_shown_as_typed() {
        let error = output(cargo(Path::new(".")).args(["metadata", "--no-such-option"])).unwrap_err();
        assert!(
            matches!(&error, Failure::Check(what) if what.contains("`cargo metadata --no-such-option`")),
            "{error:?}"
        );
    }
}
