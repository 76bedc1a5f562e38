//! The toolchain of the public API and of the fuzz targets.

use std::process::Command;

use xtask::Failure;

/// The nightly toolchain: `nightly`, or that of `XTASK_NIGHTLY`.
pub(crate) fn nightly() -> Result<String, Failure> {
    let name = std::env::var("XTASK_NIGHTLY").unwrap_or_else(|_| "nightly".to_owned());
    let probe = Command::new("rustup").args(["run", &name, "rustdoc", "--version"]).output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        return Ok(name);
    }
    let install = format!("run `rustup toolchain install {name} --profile minimal`");
    Err(Failure::Check(format!(
        "the public API and the fuzz targets need the toolchain `{name}`, which is missing: {install}"
    )))
}
