//! The refusal of secrets in arguments, which the process list and the history of the shell show.

use std::ffi::OsString;

use crate::failure::Failure;

/// Parts of the names of options that would carry a secret.
const WORDS: [&str; 8] = ["secret", "password", "passwd", "passphrase", "token", "assertion", "private-key", "api-key"];

/// Refuses the first argument that looks like an option with a secret, or a URL with a password. Its value is not printed.
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
                "a URL with a password is refused as an argument, and nothing was sent: other users of this machine can read \
                 arguments, and the shell keeps them. Set DEFENDER_STORE or HTTPS_PROXY in the environment, and replace the \
                 password if it was real",
            ));
        }
    }
    Ok(())
}

/// Returns whether the text has a URL with a user and a password.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let in_user = host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    in_user || rest.to_ascii_lowercase().split(['?', '&']).skip(1).any(|pair| pair.starts_with("password="))
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
        ] {
            let message = refused(argument).unwrap_or_else(|| panic!("{argument} is accepted"));
            assert!(!message.contains("canary") && message.contains("refused"), "{message}");
        }
    }

    #[test]
    fn plain_argument_is_accepted() {
        for argument in ["--comment=the secret is out", "--store=postgres://user@db:5432/x", "token", "--tenant=a@b:c"]
        {
            assert_eq!(refused(argument), None, "{argument}");
        }
    }
}
