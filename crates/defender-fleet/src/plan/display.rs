//! The summary of a plan for a person.

use std::{collections::BTreeMap, fmt};

use defender_actions::model::{MachineId, sanitize_line};
use jiff::SignedDuration;

use super::{Candidate, LeftOut, LeftOutReason, Plan, PlanRow};

/// Most machines and left-out targets that are listed, each.
const LISTED: usize = 20;
/// Longest part of a text that is shown, in characters.
const SHOWN: usize = 200;

/// Summary for a person. `{}` lists the first machines and left-out targets, and `{:#}` all of them.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if f.alternate() { usize::MAX } else { LISTED };
        let (machines, targets) = (self.rows.len(), self.rows.len() + self.left_out.len());
        let line = |text: &str| sanitize_line(text, SHOWN);
        let tenant = line(&self.tenant);
        writeln!(f, "{} on {machines} of {targets} targets in `{tenant}`", self.action.action_type())?;
        writeln!(f, "  tenant    {} at {}", line(&self.tenant_id), line(&self.api))?;
        writeln!(f, "  comment   {}", line(self.action.comment()))?;
        if let Some(run) = &self.reverts {
            writeln!(f, "  undoes    run {}", line(run))?;
        }
        writeln!(f, "  waves     {}", Waves(&self.rows))?;
        match self.halt_after {
            Some(failures) => writeln!(f, "  halts     after {failures} failed or unknown machines")?,
            None => writeln!(f, "  halts     never by itself")?,
        }
        match self.shortest_time {
            SignedDuration::ZERO => writeln!(f, "  time      no wait for the quota")?,
            shortest => writeln!(f, "  time      at least {shortest:#} by the quota")?,
        }
        writeln!(f, "  lapses    {:.0}", self.lapses_at)?;
        writeln!(f, "  needs     {}{}", line(&self.permissions.any_of.join(" or ")), self.permissions.standing())?;
        if let Some(from) = self.history_from {
            writeln!(f, "  history   read since {from:.0}")?;
        }
        writeln!(f, "  hash      {}", line(&self.hash))?;
        for missing in &self.permissions.missing {
            writeln!(f, "  missing   {}", sanitize_line(missing, 1_000))?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning   {}", sanitize_line(warning, 1_000))?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out: {}", Reasons(&self.left_out))?;
        }
        list(f, &self.left_out, most, "targets")?;
        if !self.rows.is_empty() {
            writeln!(f, "machines:")?;
        }
        list(f, &self.rows, most, "machines")
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display], most: usize, what: &str) -> fmt::Result {
    for item in items.iter().take(most) {
        writeln!(f, "  {item}")?;
    }
    match items.len().saturating_sub(most) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more {what}"),
    }
}

/// Sizes of the waves, of which equal ones are counted.
struct Waves<'p>(&'p [PlanRow]);

impl fmt::Display for Waves<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sizes = BTreeMap::<u32, usize>::new();
        for row in self.0 {
            *sizes.entry(row.wave).or_default() += 1;
        }
        let mut sizes = sizes.into_values().peekable();
        let mut comma = "";
        while let Some(size) = sizes.next() {
            let mut times = 1;
            while sizes.next_if_eq(&size).is_some() {
                times += 1;
            }
            match times {
                1 => write!(f, "{comma}{size}")?,
                _ => write!(f, "{comma}{size} ({times} times)")?,
            }
            comma = ", ";
        }
        if comma.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

/// Numbers of left-out targets by their reasons.
struct Reasons<'p>(&'p [LeftOut]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::<_, usize>::new();
        for left_out in self.0 {
            *counts.entry(left_out.reason.name()).or_default() += 1;
        }
        let counts: Vec<_> = counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&counts.join(", "))
    }
}

impl LeftOutReason {
    /// Returns the name of the reason in a few words.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::NotFound { .. } => "not found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Duplicate => "duplicate",
            Self::Excluded { .. } => "excluded",
            Self::Unsuitable { .. } => "unsuitable",
            Self::AlreadyDone { .. } => "already done",
            Self::InversePending { .. } => "inverse pending",
            Self::NotOurs { .. } => "not created by the run",
        }
    }
}

/// Sentence without a full stop, for a report.
impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |text: &str| sanitize_line(text, SHOWN);
        match self {
            Self::Invalid { message } | Self::AlreadyDone { message } | Self::NotOurs { message } => {
                write!(f, "{}: {}", self.name(), line(message))
            }
            Self::NotFound { similar } if similar.is_empty() => {
                f.write_str("not found: no machine has this id or name")
            }
            Self::NotFound { similar } => {
                write!(f, "not found: no machine has exactly this name; similar: {}", Choice(similar))
            }
            Self::Ambiguous { candidates } => {
                let count = candidates.len();
                write!(f, "ambiguous: {count} machines have this name, give the id of one: {}", Choice(candidates))
            }
            Self::Duplicate => f.write_str("duplicate: the machine is a target already"),
            Self::Excluded { by } => write!(f, "excluded by {}", line(by)),
            Self::Unsuitable { reasons } => write!(f, "unsuitable: {}", line(&reasons.join("; "))),
            Self::InversePending { action_id } => {
                write!(f, "inverse pending: action {} would undo it; wait for it or cancel it", line(action_id))
            }
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{} ", sanitize_line(source, SHOWN))?;
        }
        write!(f, "`{}`", sanitize_line(&self.target, SHOWN))?;
        let id = self.machine_id.as_ref().map(MachineId::as_str);
        for other in [self.name.as_deref(), id].into_iter().flatten().filter(|other| *other != self.target) {
            write!(f, " ({})", sanitize_line(other, SHOWN))?;
        }
        write!(f, " {}", self.reason)
    }
}

impl fmt::Display for PlanRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wave {} {}", u64::from(self.wave) + 1, self.machine_id)?;
        if let Some(name) = &self.name {
            write!(f, " {}", sanitize_line(name, SHOWN))?;
        }
        for warning in &self.warnings {
            write!(f, "; warning: {}", sanitize_line(warning, SHOWN))?;
        }
        Ok(())
    }
}

/// Machines to choose from, the first of them.
struct Choice<'c>(&'c [Candidate]);

impl fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 5;
        for (place, candidate) in self.0.iter().take(NAMED).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let name = candidate.name.as_deref().unwrap_or("no name");
            write!(f, "{comma}{} ({}", candidate.id, sanitize_line(name, SHOWN))?;
            match candidate.last_seen {
                Some(seen) => write!(f, ", last seen {seen:.0})")?,
                None => f.write_str(")")?,
            }
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
