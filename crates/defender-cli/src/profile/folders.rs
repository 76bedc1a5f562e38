//! The user's folders of configuration and state.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use etcetera::{BaseStrategy, choose_base_strategy};

use crate::failure::{Exit, Failure};

/// Name of the program's folder in each of the user's folders.
const PROGRAM: &str = "defender";

/// Returns the path of a file of the configuration.
pub(crate) fn config_file(name: &str) -> Result<PathBuf, Failure> {
    Ok(strategy()?.config_dir().join(PROGRAM).join(name))
}

/// Returns the path of a file of the state, in a folder that only the user can read. The folder is created if it is missing.
pub(crate) fn state_file(name: &str) -> Result<PathBuf, Failure> {
    let strategy = strategy()?;
    let folder = strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join(PROGRAM);
    create_private(&folder).map_err(|error| {
        let folder = folder.display();
        Failure::new(
            Exit::Usage,
            format!("cannot create the folder {folder}: {error}; correct its owner, or give --store PATH"),
        )
    })?;
    Ok(folder.join(name))
}

fn strategy() -> Result<impl BaseStrategy, Failure> {
    choose_base_strategy().map_err(|error| {
        Failure::usage(format!(
            "the home folder is not known: {error}; set HOME, or give --tenants FILE and --store PATH"
        ))
    })
}

fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
