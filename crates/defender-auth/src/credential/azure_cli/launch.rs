//! Finding the program, and running it.

use std::{
    ffi::OsStr,
    future::poll_fn,
    io,
    path::{Path, PathBuf},
    pin::pin,
    process::Stdio,
    task::Poll,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind};

/// More than this is no token.
const LARGEST: u64 = 1 << 20;

/// Output of a program that has ended. No `Debug`: it holds the token.
pub(super) struct Finished {
    /// Its exit code, where it had one.
    pub(super) code: Option<i32>,
    pub(super) stdout: Zeroizing<Vec<u8>>,
    pub(super) stderr: Zeroizing<Vec<u8>>,
}

/// The first `az` in `path` by its absolute path. Folders that depend on where one stands are passed over.
pub(super) fn find(path: &OsStr) -> Result<PathBuf, Error> {
    let names: &[&str] = if cfg!(windows) { &["az.cmd", "az.exe"] } else { &["az"] };
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let mut programs = folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    programs.find(|program| program.is_file()).ok_or_else(missing)
}

pub(super) fn missing() -> Error {
    Error::new(ErrorKind::Configuration)
        .context("the Azure CLI is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli")
}

/// Runs `program` to its end. It is ended when this is dropped.
pub(super) async fn run(program: &Path, arguments: &[String]) -> Result<Finished, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => missing(),
        _ => Error::new(ErrorKind::Other).context("the Azure CLI could not be run").caused_by(source),
    };
    if tokio::runtime::Handle::try_current().is_err() {
        // Outside of it, tokio would panic.
        return Err(Error::new(ErrorKind::Configuration).context("the Azure CLI is run inside a tokio runtime only"));
    }
    let mut child = Command::new(program)
        .args(arguments)
        .env("AZURE_CORE_NO_COLOR", "true")
        // Nothing that lies where the process stands is to be taken for a part of the program.
        .current_dir(neutral())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = both(whole(child.stdout.take()), whole(child.stderr.take())).await;
    let (stdout, stderr) = (stdout.map_err(failed)?, stderr.map_err(failed)?);
    let status = child.wait().await.map_err(failed)?;
    Ok(Finished { code: status.code(), stdout, stderr })
}

fn neutral() -> PathBuf {
    if cfg!(windows) {
        std::env::var_os("SYSTEMROOT").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from)
    } else {
        PathBuf::from("/bin")
    }
}

async fn whole(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    // A buffer that moves while it grows leaves parts of its content behind.
    let mut read = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default().saturating_add(64)));
    if let Some(pipe) = pipe {
        pipe.take(LARGEST).read_to_end(&mut read).await?;
    }
    Ok(read)
}

/// Both at once: a program that fills one pipe waits until somebody reads it.
async fn both<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(context)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn program_is_found_by_absolute_path_only() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/az");
        let path = |folders: &[&Path]| std::env::join_paths(folders).unwrap();
        let empty = Path::new("/nonexistent");
        assert_eq!(find(&path(&[empty, &here])).unwrap(), here.join("az"));
        for path in [path(&[Path::new("tests/flows/az")]), path(&[Path::new(".")]), path(&[empty]), "".into()] {
            assert!(find(&path).unwrap_err().to_string().contains("install-azure-cli"), "{path:?}");
        }
    }
}
