//! The refusal of secrets in arguments, which the process list and the history of the shell show.

use std::ffi::OsString;

use crate::{failure::Failure, profile};

/// Parts of the names of options that would carry a secret.
const WORDS: [&str; 8] = ["secret", "password", "passwd", "passphrase", "token", "assertion", "private-key", "api-key"];

/// Refuses the first argument that looks like an option with a secret, or a URL or connection string with a password. Its value is not printed.
///
/// # Errors
///
/// There is such an argument.
pub(super) fn refuse(arguments: &[OsString]) -> Result<(), Failure> {
    let texts = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    // After `--` there are no options.
    for text in texts.take_while(|text| text != "--") {
        let name = text.split('=').next().unwrap_or_default();
        let lower = name.to_ascii_lowercase().replace('_', "-");
        // The secret may stand in the same argument as the name, without a `=`.
        if let Some(word) = WORDS.iter().find(|word| lower.starts_with('-') && lower.contains(*word)) {
            return Err(Failure::usage(format!(
                "an option with `{word}` in its name is refused, and nothing was sent: other users of this machine can read \
                 arguments, and the shell keeps them. Set AZURE_CLIENT_SECRET, or name a keyring entry, a file or a \
                 certificate in the profile (`defender tenants --help`), and replace the secret if it was real"
            )));
        }
        if has_password(&text) {
            return Err(Failure::usage(
                "a URL or connection string with a password is refused as an argument, and nothing was sent: other users of this machine can read \
                 arguments, and the shell keeps them. Set DEFENDER_STORE or HTTPS_PROXY in the environment, and replace the \
                 password if it was real",
            ));
        }
    }
    Ok(())
}

/// Returns whether the text has a URL or connection string with a password.
fn has_password(text: &str) -> bool {
    let value = if text.starts_with('-') { text.split_once('=').map_or("", |(_, value)| value) } else { text };
    // A comment may have a URL and, after a blank, an address of mail.
    is_string_with_password(value) || is_store_with_password(value) || text.split_whitespace().any(is_url_with_password)
}

/// Returns whether the text begins with a pair, and has a password. A comment that has `password=` after other words is no connection string.
fn is_string_with_password(text: &str) -> bool {
    let is_name = |name: &str| name.trim().chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    text.split_once('=').is_some_and(|(name, _)| is_name(name)) && profile::has_password(text)
}

/// Returns whether the text begins as a URL of PostgreSQL, with or without its slashes, and has a password. A password may have blanks.
fn is_store_with_password(text: &str) -> bool {
    profile::rest_of_postgres(&profile::decoded(text))
        .is_some_and(|rest| password(rest).is_some() || profile::has_password(rest))
}

fn is_url_with_password(text: &str) -> bool {
    // `host:8443/INC-1?by=jo@contoso.example` has a port.
    let is_port = |text: &str| {
        let end = text.find(['/', '?', '#']).and_then(|end| text.get(..end));
        end.is_some_and(|port| port.chars().all(|c| c.is_ascii_digit()))
    };
    profile::decoded(text)
        .split_once("://")
        .is_some_and(|(_, rest)| password(rest).is_some_and(|text| !is_port(text)) || profile::has_password(rest))
}

/// Returns the password in the part of a URL after its scheme. It may have `/`, `?`, `#` and `@`, which the name of the user has not: the
/// path of another URL may have `:` and `@`.
fn password(rest: &str) -> Option<&str> {
    let (user, _) = rest.trim_start_matches('/').rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let is_name = !name.contains(|c: char| "/?#".contains(c) || c.is_whitespace());
    is_name.then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(argument: &str) -> Option<String> {
        refuse(&["defender".into(), argument.into()]).err().map(|failure| failure.message)
    }

    #[test]
    fn secret_argument_is_refused_without_value() {
        for argument in [
            "--client-secret=canary-1",
            "--client_secret=canary-1",
            "--Password",
            "--access-token=canary-1",
            "-Password canary-1",
            "--password:canary-1",
            "-Tokencanary-1",
            "--store=postgres://u:canary-1@db/x",
            "postgresql://u:canary-1@db",
            "--store=postgres://db/x?password=canary-1",
            "--store=postgres://db/x?sslmode=disable&PassWord=canary-1",
            "postgres://u:canary/1@db.example/quota",
            "--store=postgres://u:canary?1@db.example/quota",
            "postgres://u:canary#1@db.example/quota",
            "postgres://u:canary 1@db.example/quota",
            "POSTGRES://u:canary/1@db.example/quota",
            "postgres%3A%2F%2Fu:canary/1@db.example/quota",
            "postgres://u%3acanary@db.example/quota",
            "postgres:u:canary@db.example/quota",
            "http://u:canary/1@proxy.example",
            "-Proxy http://u:canary@proxy.example",
            "-Proxy http://u:canary@proxy.example -X a=b",
            "host=x user=u password=canary-1",
            "--store=host=x user=u password = canary-1",
            "Host=x;Username=u;Password=canary-1",
        ] {
            let message = refused(argument).unwrap_or_else(|| panic!("{argument} is accepted"));
            assert!(!message.contains("canary") && message.contains("refused"), "{message}");
        }
    }

    #[test]
    fn plain_argument_is_accepted() {
        for argument in [
            "--comment=the secret is out",
            "--comment=INC-1: user=jo typed password=x",
            "--args=pwd=/tmp",
            "https://tickets.example:8443/INC-1 of jo@contoso.example",
            "--comment=see https://tickets.example:8443/INC-1?by=jo@contoso.example",
            "https://teams.example/l/message/19:abc@thread.v2/1690",
            "https://tickets.example/INC-1?at=12:30&by=jo@contoso.example",
            "Postgres: see INC:1, jo@contoso.example",
            "--store=postgres://user@db:5432/x",
            "--store=host=x user=u",
            "token",
            "--tenant=a@b:c",
        ] {
            assert_eq!(refused(argument), None, "{argument}");
        }
    }
}
