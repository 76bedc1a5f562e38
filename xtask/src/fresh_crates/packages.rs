//! The published crates as packages, unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::readme::Addition;
use xtask::{
    Failure,
    workspace::{self, Workspace, output},
};

/// The unpacked packages, beside the fresh crates.
pub(super) struct Packages {
    /// The folder of the fresh crates.
    pub(super) folder: PathBuf,
    /// Name and folder of each package.
    unpacked: Vec<(String, PathBuf)>,
}

impl Packages {
    /// Packs the crates that are published, as `cargo publish` does, and unpacks them.
    pub(super) fn unpack(workspace: &Workspace) -> Result<Self, Failure> {
        let names: Vec<&str> = workspace.crates().map(|package| package.name.as_str()).collect();
        let mut package = workspace::cargo(&workspace.root);
        package.args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
        output(package.args(names.iter().flat_map(|name| ["--package", name])))?;

        let target = target(&workspace.root);
        let folder = target.join("fresh");
        let packages = folder.join("packages");
        fs::create_dir_all(&packages).map_err(|error| Failure::broken(packages.display(), error))?;
        let mut unpacked = Vec::new();
        for name in names {
            let stem = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
            let packed = target.join("package").join(format!("{stem}.crate"));
            unpack(&packed, &packages, &stem)?;
            unpacked.push((name.to_owned(), packages.join(stem)));
        }
        let all = Self { folder, unpacked };
        all.configure()?;
        Ok(all)
    }

    /// Tells cargo that the crates are on the registry already, so that they find each other.
    fn configure(&self) -> Result<(), Failure> {
        let patches = self
            .unpacked
            .iter()
            .map(|(name, folder)| format!("{name} = {{ path = {:?} }}\n", folder.display().to_string()));
        let text = format!("[patch.crates-io]\n{}", patches.collect::<String>());
        let file = self.folder.join(".cargo/config.toml");
        let written = fs::create_dir_all(self.folder.join(".cargo")).and_then(|()| fs::write(&file, text));
        written.map_err(|error| Failure::broken(file.display(), error))
    }

    /// A cargo in the folder of a fresh crate. All crates share one target directory.
    pub(super) fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = workspace::cargo(folder);
        cargo.env("CARGO_TARGET_DIR", self.folder.join("target")).env("CARGO_INCREMENTAL", "0");
        // Nobody debugs these programs, and they link in a third of the time.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
        cargo
    }

    /// The `cargo add` of a README. A crate of ours is taken from its package, since `cargo add` asks the registry alone.
    pub(super) fn add(&self, folder: &Path, addition: &Addition) -> Command {
        let mut add = self.cargo(folder);
        add.args(["add", "--quiet"]).args(&addition.arguments);
        if let Some((_, path)) = self.unpacked.iter().find(|(name, _)| *name == addition.package) {
            add.arg("--path").arg(path);
        }
        add
    }
}

/// Unpacks a package unless the same one is unpacked already: its files keep the times by which cargo sees what has changed.
fn unpack(packed: &Path, into: &Path, stem: &str) -> Result<(), Failure> {
    let kept = into.join(format!("{stem}.crate"));
    let now = fs::read(packed).map_err(|error| Failure::broken(packed.display(), error))?;
    if fs::read(&kept).is_ok_and(|kept| kept == now) {
        return Ok(());
    }
    let folder = into.join(stem);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
    }
    // With `-m` the files are as old as their unpacking, and not of 2006 as in every package.
    output(Command::new("tar").arg("-xzmf").arg(packed).arg("-C").arg(into))?;
    fs::write(&kept, now).map_err(|error| Failure::broken(kept.display(), error))
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}
