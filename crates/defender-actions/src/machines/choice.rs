//! Machines to choose from, in the text of an error.

use std::fmt;

use defender_model::{Machine, sanitize_line};

/// Longest part of a name that is shown, in characters.
const SHOWN: usize = 100;
/// Most machines that the text of an error names.
const NAMED: usize = 10;

/// Machines to choose from, in the text of an error.
pub(crate) struct Choice<'m>(pub(crate) &'m [Machine]);

impl fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, machine) in self.0.iter().take(NAMED).enumerate() {
            let name = machine.computer_dns_name.as_deref().unwrap_or("no name");
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({}", machine.id, sanitize_line(name, SHOWN))?;
            match machine.last_seen {
                Some(seen) => write!(f, ", last seen {seen}")?,
                None => f.write_str(", never seen")?,
            }
            if let Some(health) = &machine.health_status {
                write!(f, ", {health}")?;
            }
            if machine.is_potential_duplication == Some(true) {
                f.write_str(", a potential duplicate")?;
            }
            if let Some(into) = merged_into(machine) {
                write!(f, ", merged into {}", sanitize_line(into, SHOWN))?;
            }
            f.write_str(")")?;
        }
        match self.0.len().checked_sub(NAMED) {
            Some(more @ 1..) => write!(f, ", and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Returns the id of the machine into whose record this one was merged.
pub(crate) fn merged_into(machine: &Machine) -> Option<&str> {
    machine.merged_into_machine_id.as_deref().filter(|into| !into.trim().is_empty() && *into != machine.id.as_str())
}
