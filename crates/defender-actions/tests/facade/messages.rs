//! Messages of the compiler for common mistakes: each names the fix.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Folder of the compiled dependencies, in which the test itself is.
fn dependencies() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().to_owned()
}

/// Newest library of the facade: the one that was compiled for this test or later.
fn library(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let is_it = |path: &Path| {
        let name = path.file_stem().unwrap().to_string_lossy();
        name.starts_with("libdefender_actions-") && path.extension().is_some_and(|extension| extension == "rlib")
    };
    let libraries = files.filter(|entry| is_it(&entry.path()));
    libraries.max_by_key(|entry| entry.metadata().unwrap().modified().unwrap()).unwrap().path()
}

/// Message of the compiler for this body of a function, which must not compile.
fn said(name: &str, body: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("messages-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let source = folder.join("mistake.rs");
    let imports = "use defender_actions::{DefenderClient, auth::*, model::*, transport::*};";
    let code = format!(
        "{imports} pub async fn mistake(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {{ {body} Ok(()) }}"
    );
    std::fs::write(&source, code).unwrap();
    let dependencies = dependencies();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--out-dir"])
        .arg(&folder)
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("--extern")
        .arg(format!("defender_actions={}", library(&dependencies).display()))
        .arg(&source)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("error"), "it compiles: {body}");
    said
}

#[test]
fn mistake_is_named_with_its_fix() {
    let not_a_credential = "is not a credential";
    for (name, body, texts) in [
        (
            "text",
            r#"let _ = DefenderClient::builder().credential("secret");"#,
            [not_a_credential, "`StaticCredential::new(token)`"],
        ),
        (
            "result",
            "let _ = DefenderClient::builder().credential(ClientSecretCredential::from_env());",
            [not_a_credential, "take the credential with `?` or `.await?`"],
        ),
        ("future", "let _ = DefenderClient::builder().credential(async {});", [not_a_credential, "`.await?`"]),
        (
            "builder",
            r#"let _ = DefenderClient::builder().transport("https://api.security.microsoft.com");"#,
            ["is not a transport", "take the transport with `.build()?`"],
        ),
        ("clock", "let _ = DefenderClient::builder().clock(());", ["is not a clock", "use `SystemClock::new()`"]),
        (
            "action",
            r#"let _ = defender.machine("m1".parse()?).perform("Isolate");"#,
            ["is not an action", "`Isolate::new(comment)?`"],
        ),
        (
            "action-result",
            r#"let _ = defender.machine("m1".parse()?).perform(Isolate::new("c", IsolationType::Full));"#,
            ["is not an action", "of a `Result`, take the action with `?`"],
        ),
    ] {
        let said = said(name, body);
        for text in texts {
            assert!(said.contains(text), "{body}: {said}");
        }
    }
}

/// A request that is not awaited is sent by nobody, which a warning says.
#[test]
fn forgotten_await_is_a_warning() {
    let body = r#"defender.machine("m1".parse()?).isolate("Ransomware");"#;
    let said = said("await", &format!("#![deny(unused_must_use)] {body}"));
    assert!(said.contains("nothing is sent until this is awaited"), "{said}");
}
