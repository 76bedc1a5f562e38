//! Options of every command.

use std::path::PathBuf;

use clap::Args;

use crate::output::Format;

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    // As text and not as a doc comment, in which names of variables and URLs are marked.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help = "Tenant, by its exact name in the profiles; there is no default [env: DEFENDER_TENANT]"
    )]
    pub(crate) tenant: Option<String>,
    /// Profiles of the tenants [default: defender/tenants.toml in the user's config folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tenants: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "PATH|URL",
        help = "Journal and runs: an SQLite file, or postgres://HOST/DATABASE [default: defender/runs.db in the user's state \
                folder] [env: DEFENDER_STORE]"
    )]
    pub(crate) store: Option<String>,
    /// Format of the data on stdout
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Uses an emulator inside this process: no account is needed, and no real machine is touched
    #[arg(long, global = true)]
    pub(crate) demo: bool,
}
