//! The campaign of faults: the promises, judged at scale by a driver that believes nothing that the client says until the
//! emulator's ledger agrees.

mod arrivals;
mod asked;
mod beside;
mod canary;
mod dice;
mod evidence;
mod executor;
mod figures;
mod flow;
mod in_process;
mod judge;
mod plan;
mod rival;
mod sweep;
mod tally;
mod tenant;
mod tls;
mod wall;
mod wire;
mod world;

use std::{ops::Range, path::PathBuf};

use crate::{Failure, workspace::Workspace};

/// Runs the campaign.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if options.tls {
        return sweep::run(options, &tls::Tls::new()?);
    }
    sweep::run(options, &in_process::InProcess)
}

/// Runs what CI runs of either, whether it was run before or not.
pub(crate) fn in_ci(seeds: Range<u64>, tls: bool) -> Result<(), Failure> {
    let name = if tls { "ci-b" } else { "ci-a" };
    let figures = Workspace::read()?.root.join(format!("target/campaign/{name}.json"));
    if figures.exists() {
        std::fs::remove_file(&figures).map_err(|error| Failure::broken(figures.display(), error))?;
    }
    run(&Options { seeds, tls, steps: None, figures: Some(figures) })
}

/// Is the process that the campaign over TLS kills.
pub(crate) fn work() -> Result<(), Failure> {
    tls::work()
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) seeds: Range<u64>,
    /// Emulator and client in two processes, over real TLS; else both in this one, by a clock turned by hand.
    pub(crate) tls: bool,
    /// Only the first steps of each seed, told in full and added to no figures: to see a failing seed fail again.
    pub(crate) steps: Option<u32>,
    /// Where the figures are kept. Default: `target/campaign/a.json`, of the one over TLS `b.json`.
    pub(crate) figures: Option<PathBuf>,
}

/// What the command line says, before it is known to be whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) seeds: Option<String>,
    pub(crate) tls: bool,
    pub(crate) steps: Option<String>,
    pub(crate) figures: Option<PathBuf>,
}

impl Said {
    /// Reads it.
    pub(crate) fn read(self) -> Result<Options, Failure> {
        let wrong = |what: &str| Failure::Usage(what.to_owned());
        let range = self.seeds.as_deref().and_then(|seeds| seeds.split_once(".."));
        let range = range.and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
        let seeds: Range<u64> = range.filter(|seeds| !seeds.is_empty()).ok_or_else(|| {
            wrong("`campaign` needs `--seeds FROM..TO`, two numbers of which the first is the smaller and the second is left out")
        })?;
        let steps = match self.steps.as_deref().map(str::parse) {
            None => None,
            Some(Ok(steps)) if steps > 0 => Some(steps),
            Some(_) => return Err(wrong("`--steps` is a number of steps above 0")),
        };
        if steps.is_some() && self.figures.is_some() {
            return Err(wrong("`--steps` adds to no figures, so that it does not go with `--figures`"));
        }
        Ok(Options { seeds, tls: self.tls, steps, figures: self.figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seeds: &str, steps: Option<&str>) -> Said {
        Said { seeds: Some(seeds.to_owned()), steps: steps.map(str::to_owned), ..Said::default() }
    }

    #[test]
    fn seeds_are_a_range_and_steps_a_number() {
        let options = said("3..17", Some("43")).read().unwrap();
        assert_eq!((options.seeds, options.steps, options.tls, options.figures), (3..17, Some(43), false, None));
    }

    #[test]
    fn what_is_no_range_or_no_number_is_not_understood() {
        for seeds in ["", "3", "3..", "..3", "3..3", "4..3", "a..b", "-1..3", "1...3"] {
            assert!(matches!(said(seeds, None).read(), Err(Failure::Usage(_))), "{seeds}");
        }
        for steps in ["", "0", "-1", "x"] {
            assert!(matches!(said("1..2", Some(steps)).read(), Err(Failure::Usage(_))), "{steps}");
        }
        assert!(matches!(Said::default().read(), Err(Failure::Usage(_))));
        let both = Said { figures: Some("f".into()), ..said("1..2", Some("3")) };
        assert!(matches!(both.read(), Err(Failure::Usage(_))));
    }
}
