//! `defender completions`: scripts for shells.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::{
    failure::{Exit, Failure},
    output::print_text,
};

const EXAMPLES: &str = "\
Examples:
  defender completions bash > ~/.local/share/bash-completion/completions/defender
  defender completions zsh > ~/.zfunc/_defender
  defender completions powershell >> $PROFILE";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// Shell of the script
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, command: &mut clap::Command) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        generate(self.shell, command, "defender", &mut script);
        print_text(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Success)
    }
}
