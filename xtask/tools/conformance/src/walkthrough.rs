//! The README's walk-through of the emulator's program, run as it stands there.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use xtask::{Failure, emulator, workspace::Workspace};

use super::curl;

const README: &str = "crates/defender-emulator/README.md";
const HEADING: &str = "## From another language";

/// Runs the shell's lines below the heading, and compares what they print with the text that follows them.
pub(crate) fn run() -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    curl::ensure()?;
    let readme = std::fs::read_to_string(root.join(README)).map_err(|error| Failure::broken(README, error))?;
    let below = readme.split_once(HEADING).map(|(_, below)| below);
    let below = below.map(|below| below.split("\n## ").next().unwrap_or_default());
    let script = below.and_then(|below| block(below, "sh"));
    let expected = below.and_then(|below| block(below, "text"));
    let (Some(script), Some(expected)) = (script, expected) else {
        return Err(Failure::Check(format!(
            "{README}: below `{HEADING}` there are no lines of sh, or no text of theirs"
        )));
    };
    let printed = printed(script, &emulator::build(&root)?)?;
    if printed == expected {
        println!("the walk-through prints what the README says");
        return Ok(());
    }
    println!("{printed}");
    Err(Failure::Check(format!("{README}: the walk-through printed something else than the README says")))
}

/// The lines of the first block of this language.
pub(crate) fn block<'t>(text: &'t str, language: &str) -> Option<&'t str> {
    let (_, behind) = text.split_once(&format!("\n```{language}\n"))?;
    behind.split("```").next()
}

/// Output of the script, in a separate folder, with the program on its path.
fn printed(script: &str, program: &Path) -> Result<String, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::broken("the walk-through", error);
    let folder = std::env::temp_dir().join(format!("defender-walkthrough-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| broken(&error))?;
    let mut path = program.parent().unwrap_or(Path::new(".")).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", script]).current_dir(&folder).env("PATH", path).env("NO_PROXY", "127.0.0.1,localhost");
    let output = shell.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    std::fs::remove_dir_all(&folder).map_err(|error| broken(&error))?;
    let output = output.map_err(|error| broken(&error))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(printed) } else { Err(broken(&format!("{}, after: {printed}", output.status))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_its_language() {
        let text = "words\n```text\nout\n```\n```sh\na\nb\n```\n";
        assert_eq!(block(text, "sh"), Some("a\nb\n"));
        assert_eq!(block(text, "text"), Some("out\n"));
        assert_eq!(block(text, "rust"), None);
    }
}
