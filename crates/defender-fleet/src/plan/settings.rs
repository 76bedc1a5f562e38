//! Settings of a plan.

use std::{collections::HashMap, time::Duration};

use defender_actions::model::{ActionId, DeviceValue, Machine, MachineId};

use super::LeftOut;
use crate::{Error, ErrorKind, FleetAction, Targets, reads::key};

/// Settings of a plan.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) targets: Targets,
    pub(super) exclusions: Vec<Exclusion>,
    pub(super) action: Option<FleetAction>,
    pub(super) max_machines: u32,
    /// Sizes of the waves, the last of which repeats. Empty for one wave.
    pub(super) waves: Vec<u32>,
    pub(super) halt: Option<Halt>,
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
    /// Actions that are undone, by the [`key`]s of their machines.
    pub(crate) actions: HashMap<String, ActionId>,
}

/// Failures at which a run halts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Halt {
    After(u32),
    AfterPercent(u32),
}

/// Machines that a plan leaves out.
#[derive(Clone, Debug)]
pub(super) enum Exclusion {
    Tag(String),
    DeviceValue(DeviceValue),
    Id(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            targets: Targets::default(),
            exclusions: Vec::new(),
            action: None,
            max_machines: 25,
            waves: Vec::new(),
            halt: None,
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
            Some(_) if matches!(self.halt, Some(Halt::After(0) | Halt::AfterPercent(0))) => {
                "a run that halts after 0 failures would not begin; set at least 1"
            }
            Some(_) if matches!(self.halt, Some(Halt::AfterPercent(101..))) => {
                "a run cannot halt after more than 100 percent of its rows"
            }
            Some(action) => return Ok(action.clone()),
        };
        Err(Error::new(ErrorKind::Configuration, why))
    }
}

impl Halt {
    /// Number of failed and unknown rows of this many at which a run halts. A share is rounded up.
    pub(super) fn count(self, rows: u32) -> u32 {
        match self {
            Self::After(count) => count,
            Self::AfterPercent(percent) => {
                let share = (u64::from(rows) * u64::from(percent)).div_ceil(100);
                u32::try_from(share).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl Exclusion {
    pub(super) fn of_id(id: &MachineId) -> Self {
        Self::Id(key(id))
    }

    /// Returns whether the machine is excluded. Tags and ids compare without letter case, since an exclusion protects.
    pub(super) fn excludes(&self, machine: &Machine) -> bool {
        match self {
            Self::Tag(tag) => has_tag(machine, tag),
            Self::DeviceValue(value) => machine.device_value.as_ref() == Some(value),
            Self::Id(id) => key(&machine.id) == *id,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Tag(tag) => format!("tag `{tag}`"),
            Self::DeviceValue(value) => format!("device value {value}"),
            Self::Id(id) => format!("id {id}"),
        }
    }
}

/// Returns whether the machine has the tag, in any letter case.
pub(super) fn has_tag(machine: &Machine, tag: &str) -> bool {
    let lower = |tag: &str| tag.trim().to_lowercase();
    machine.machine_tags.iter().flatten().any(|of_machine| lower(of_machine) == lower(tag))
}
