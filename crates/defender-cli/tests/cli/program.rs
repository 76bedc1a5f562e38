//! The program in a folder of its own, with an environment of its own.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use defender_emulator::Emulator;

/// Path of the program.
pub(crate) const DEFENDER: &str = env!("CARGO_BIN_EXE_defender");

/// Folder of one test, which is removed at its end.
#[derive(Debug)]
pub(crate) struct Home {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

/// Output and exit code of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: ExitStatus,
}

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("defender-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { folder, variables: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Sets a variable of the environment of every command.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Sets the variables by which a client finds the emulator and signs in.
    pub(crate) fn sign_in(&mut self, emulator: &Emulator) {
        let ca = self.write("ca.pem", emulator.ca_pem());
        for (name, value) in [
            ("AZURE_TENANT_ID", emulator.tenant_id()),
            ("AZURE_CLIENT_ID", emulator.client_id()),
            ("AZURE_CLIENT_SECRET", emulator.client_secret()),
            ("AZURE_AUTHORITY_HOST", emulator.authority()),
            ("DEFENDER_BASE_URL", emulator.base_url()),
            ("DEFENDER_AUDIENCE", emulator.audience()),
            ("DEFENDER_CA_FILE", ca.to_str().unwrap()),
            ("DEFENDER_TENANT", emulator.tenant_id()),
        ] {
            self.set(name, value);
        }
    }

    /// Returns a command in this folder, with nothing of the environment of the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(DEFENDER);
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.environment());
        command
    }

    /// Returns the variables of each command.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let folder = self.folder.to_str().unwrap().to_owned();
        let mut all = vec![
            ("HOME".to_owned(), folder.clone()),
            ("USER".to_owned(), "analyst".to_owned()),
            ("XDG_CONFIG_HOME".to_owned(), format!("{folder}/config")),
            ("XDG_STATE_HOME".to_owned(), format!("{folder}/state")),
        ];
        if let Some(path) = std::env::var_os("PATH") {
            all.push(("PATH".to_owned(), path.to_string_lossy().into_owned()));
        }
        all.extend(self.variables.iter().cloned());
        all
    }

    /// Runs a command without a terminal, and without stdin.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs a command without a terminal, with this text on stdin.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its stdin closes it early.
        let _read_or_not = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
