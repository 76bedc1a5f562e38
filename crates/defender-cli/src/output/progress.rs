//! Progress of a run on stderr: a bar on a terminal, a line for each event otherwise.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::Duration,
};

use defender_actions::model::sanitize_line;
use defender_fleet::{RunEvent, RunEventKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::talk;

/// Template of the bar. What grows is at the end, where a narrow terminal cuts it off.
const TEMPLATE: &str = "{prefix} [{bar:30.green}] {pos}/{len} {msg}";

/// Most machines whose names are in the bar.
const NAMED: usize = 2;
/// Longest name of a machine in the bar, in characters.
const SHOWN: usize = 60;

/// Progress of one run.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    waves: u32,
    /// Name of each machine whose action has not ended, by its place in the run.
    waiting: BTreeMap<u32, String>,
    failed: u32,
    unknown: u32,
}

impl Progress {
    /// Begins the progress of a run with this number of waves.
    pub(crate) fn new(waves: u32) -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let bar = (io::stderr().is_terminal() && !is_dumb).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(format!("wave 1/{waves}"));
            bar.set_message("0 in progress");
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, waves, waiting: BTreeMap::new(), failed: 0, unknown: 0 }
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &RunEvent) {
        let Some(bar) = self.bar.clone() else {
            return match &event.kind {
                // People count from 1, as plan and report do.
                RunEventKind::WaveBegan { wave } => talk::say(&format!("wave {} of {} began", wave + 1, self.waves)),
                RunEventKind::WaveEnded { wave } => talk::say(&format!("wave {} of {} ended", wave + 1, self.waves)),
                _ => talk::say(&event.to_string()),
            };
        };
        match &event.kind {
            RunEventKind::Started { counts } => {
                bar.set_length(counts.total().into());
                bar.set_position((counts.total() - counts.open()).into());
                (self.failed, self.unknown) = (counts.failed, counts.unknown);
            }
            RunEventKind::WaveBegan { wave } => bar.set_prefix(format!("wave {}/{}", wave + 1, self.waves)),
            RunEventKind::Submitted { row, .. } => {
                let name = row.name.as_deref().unwrap_or(row.machine_id.as_str());
                self.waiting.insert(row.index, sanitize_line(name, SHOWN));
            }
            RunEventKind::Succeeded { row, .. } => self.ended(&bar, row.index),
            RunEventKind::Failed { row, .. } => {
                self.failed += 1;
                self.ended(&bar, row.index);
                self.above(&event.to_string());
            }
            RunEventKind::Unknown { row, .. } => {
                self.unknown += 1;
                self.ended(&bar, row.index);
                self.above(&event.to_string());
            }
            RunEventKind::WaitingForQuota { .. }
            | RunEventKind::WaitingForService { .. }
            | RunEventKind::Halted { .. } => self.above(&event.to_string()),
            _ => {}
        }
        let mut message = format!("{} in progress", self.waiting.len());
        for (number, what) in [(self.failed, "failed"), (self.unknown, "unknown")] {
            if number > 0 {
                message = format!("{message}, {number} {what}");
            }
        }
        // The machines that keep a run from its end are often off: a person wants to know which.
        if (1..=NAMED).contains(&self.waiting.len()) {
            let names = self.waiting.values().map(String::as_str).collect::<Vec<_>>().join(", ");
            message = format!("{message}: {names}");
        }
        bar.set_message(message);
    }

    /// Prints a line above the bar.
    pub(crate) fn above(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| talk::say(line)),
            None => talk::say(line),
        }
    }

    /// Ends the progress. The last state of the bar stays on the terminal.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.abandon();
        }
    }

    fn ended(&mut self, bar: &ProgressBar, index: u32) {
        self.waiting.remove(&index);
        bar.inc(1);
    }
}
