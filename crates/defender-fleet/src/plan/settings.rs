//! Settings of a plan.

use std::{collections::HashMap, time::Duration};

use defender_actions::model::{ActionId, Machine};

use super::LeftOut;
use crate::{Error, ErrorKind, FleetAction, Targets};

/// Settings of a plan.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) targets: Targets,
    /// Tags whose machines are left out.
    pub(super) excluded_tags: Vec<String>,
    pub(super) action: Option<FleetAction>,
    pub(super) max_machines: u32,
    /// Sizes of the waves, the last of which repeats. Empty for one wave.
    pub(super) waves: Vec<u32>,
    /// Failed and unknown rows at which a run halts.
    pub(super) halt_after: Option<u32>,
    pub(super) lapses_after: Duration,
    pub(super) even_if_already_done: bool,
    pub(super) even_if_inactive: bool,
    /// Tags with the warnings of their machines.
    pub(super) tag_warnings: Vec<(String, String)>,
    /// Run that is undone, and what it did without being undone.
    pub(super) reverts: Option<Reverts>,
}

/// Run that is undone.
#[derive(Clone, Debug)]
pub(crate) struct Reverts {
    /// Id of the run.
    pub(crate) run: String,
    /// Machines whose action is not undone.
    pub(crate) left_out: Vec<LeftOut>,
    /// Actions that are undone, by the [`key`](crate::reads::key)s of their machines.
    pub(crate) actions: HashMap<String, ActionId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            targets: Targets::default(),
            excluded_tags: Vec::new(),
            action: None,
            max_machines: 25,
            waves: Vec::new(),
            halt_after: None,
            lapses_after: Duration::from_secs(3_600),
            even_if_already_done: false,
            even_if_inactive: false,
            tag_warnings: Vec::new(),
            reverts: None,
        }
    }
}

impl Settings {
    /// Returns the action, if all settings are valid.
    pub(super) fn valid(&self) -> Result<FleetAction, Error> {
        let why = match &self.action {
            None => "the plan has no action; set one with `.action(..)`",
            Some(_) if self.targets.is_empty() && self.reverts.is_none() => {
                "the plan has no targets; set them with `.targets(..)`"
            }
            Some(_) if self.waves.contains(&0) => "a wave of 0 machines is never over; begin with `.waves([1, ..])`",
            Some(_) if self.halt_after == Some(0) => {
                "a run that halts after 0 failures would not begin; set at least 1"
            }
            Some(action) => return Ok(action.clone()),
        };
        Err(Error::new(ErrorKind::Configuration, why))
    }
}

/// Returns whether the machine has the tag, in any letter case.
pub(super) fn has_tag(machine: &Machine, tag: &str) -> bool {
    let lower = |tag: &str| tag.trim().to_lowercase();
    machine.machine_tags.iter().flatten().any(|of_machine| lower(of_machine) == lower(tag))
}
