//! The published crates as packages, unpacked, and each built alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use xtask::{
    Failure,
    workspace::{self, Workspace, output},
};

/// The unpacked packages, in a folder where cargo takes them for those of the registry.
pub(crate) struct Packages {
    pub(crate) folder: PathBuf,
    /// Name and folder of each package.
    pub(crate) unpacked: Vec<(String, PathBuf)>,
}

/// Packs each published crate, and lints it in its package, alone and with its default features: what compiles there needs no file
/// outside, and no feature that a sibling asks for.
///
/// `cargo package` verifies them as well, but generates code, and takes an earlier package of the same version for unchanged.
pub(crate) fn check() -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    let packages = Packages::unpack(&workspace)?;
    let folder = packages.folder.join("packages");
    let members: Vec<_> = packages.unpacked.iter().filter_map(|(_, folder)| folder.file_name()?.to_str()).collect();
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
    let lock = workspace.root.join("Cargo.lock");
    let made = fs::write(folder.join("Cargo.toml"), manifest).and_then(|()| fs::copy(&lock, folder.join("Cargo.lock")));
    made.map_err(|error| Failure::broken(folder.display(), error))?;
    for (name, _) in &packages.unpacked {
        let mut clippy = workspace::cargo(&folder);
        // The target folder and the profile of the workspace, where most dependencies are checked already.
        clippy
            .env("CARGO_TARGET_DIR", workspace::target(&workspace.root))
            .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        clippy.env("CLIPPY_CONF_DIR", &workspace.root);
        output(clippy.args(["clippy", "--quiet", "--package", name, "--", "-D", "warnings"]))?;
        println!("{name}: compiles from its package");
    }
    Ok(())
}

impl Packages {
    /// Packs the crates that are published, as `cargo publish` does, and unpacks them.
    pub(crate) fn unpack(workspace: &Workspace) -> Result<Self, Failure> {
        let names: Vec<&str> = workspace.crates().map(|package| package.name.as_str()).collect();
        let mut package = workspace::cargo(&workspace.root);
        package.args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
        output(package.args(names.iter().flat_map(|name| ["--package", name])))?;

        let target = workspace::target(&workspace.root);
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
