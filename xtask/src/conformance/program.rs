//! The emulator as a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    curl,
    exchange::{Filled, Variables},
};
use crate::{Failure, workspace::cargo};

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::broken("the emulator's program", error)
}

/// Builds it, and says where it is.
pub(crate) fn build(root: &Path) -> Result<PathBuf, Failure> {
    let mut command = cargo(root);
    command.args(["build", "--quiet", "--package", "defender-emulator", "--message-format", "json"]);
    let built = command.stderr(Stdio::inherit()).output().map_err(|error| broken(&error))?;
    let built = String::from_utf8_lossy(&built.stdout);
    let executable = built.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let named = line.pointer("/target/name")?.as_str()? == "defender-emulator";
        line.get("executable")?.as_str().filter(|_| named).map(PathBuf::from)
    });
    executable.ok_or_else(|| broken(&"it was not built"))
}

/// The program, which is stopped when this is dropped.
pub(crate) struct Program {
    process: Child,
    ca_file: PathBuf,
    line: Value,
}

impl Program {
    pub(crate) fn start(executable: &Path, suite: &str, arguments: &[String]) -> Result<Self, Failure> {
        let ca_file = std::env::temp_dir().join(format!("defender-conformance-{}-{suite}.pem", std::process::id()));
        let mut command = Command::new(executable);
        command.arg("--ca-file").arg(&ca_file).args(arguments).stdout(Stdio::piped());
        let process = command.spawn().map_err(|error| broken(&error))?;
        let mut program = Self { process, ca_file, line: Value::Null };
        let mut line = String::new();
        if let Some(stdout) = program.process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| broken(&error))?;
        }
        program.line = serde_json::from_str(&line).map_err(|error| broken(&error))?;
        Ok(program)
    }

    /// What it said of itself.
    pub(crate) fn line(&self) -> &Value {
        &self.line
    }

    pub(crate) fn ca_file(&self) -> String {
        self.ca_file.display().to_string()
    }

    /// What it said of itself, and a token.
    pub(super) fn variables(&self) -> Result<Variables, Failure> {
        let mut variables = Variables::new();
        for (name, pointer) in [
            ("base", "/base_url"),
            ("tenant", "/tenant_id"),
            ("client", "/client_id"),
            ("application", "/application_name"),
            ("secret", "/client_secret"),
            ("audience", "/audience"),
            ("machine", "/machine_ids/0"),
            ("machine2", "/machine_ids/1"),
            ("machine3", "/machine_ids/2"),
            ("imds", "/imds_endpoint"),
            ("identity", "/identity_endpoint"),
            ("identity_header", "/identity_header"),
        ] {
            if let Some(value) = self.line.pointer(pointer).and_then(Value::as_str) {
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
        let machines = self.line.pointer("/machine_ids").and_then(Value::as_array);
        for (index, machine) in machines.into_iter().flatten().enumerate() {
            variables.insert(format!("machine_at_{index}"), machine.as_str().unwrap_or_default().to_owned());
        }
        let said = |name: &str| variables.get(name).cloned().unwrap_or_default();
        let secret = encoded(&said("secret"));
        let scope = encoded(&format!("{}/.default", said("audience")));
        let form =
            format!("grant_type=client_credentials&client_id={}&client_secret={secret}&scope={scope}", said("client"));
        let request = Filled {
            method: "POST".to_owned(),
            url: format!("{}/{}/oauth2/v2.0/token", said("base"), said("tenant")),
            headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
            body: Some(form),
        };
        let answer = curl::send(&request, Some(&self.ca_file())).map_err(Failure::Check)?;
        let token = serde_json::from_slice::<Value>(&answer.body).ok();
        let token = token.as_ref().and_then(|body| body.get("access_token")).and_then(Value::as_str);
        let token = token.ok_or_else(|| Failure::Check("the emulator gave no token".to_owned()))?;
        variables.insert("token".to_owned(), token.to_owned());
        variables.insert("encoded_secret".to_owned(), secret);
        variables.insert("encoded_scope".to_owned(), scope);
        Ok(variables)
    }
}

/// As a form has it.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .flat_map(|byte| if plain(&byte) { vec![char::from(byte)] } else { format!("%{byte:02X}").chars().collect() })
        .collect()
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself, and the file may never have been written: either is well.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _removed = std::fs::remove_file(&self.ca_file);
    }
}
