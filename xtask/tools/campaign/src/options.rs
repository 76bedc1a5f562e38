//! Options of the command line.

use std::{ops::Range, path::PathBuf};

use lexopt::{Arg, Parser, ValueExt};
use xtask::Failure;

/// Options of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) seeds: Range<u64>,
    /// Emulator and client in two processes, over real TLS.
    pub(crate) tls: bool,
    /// Only the first steps of each seed.
    pub(crate) steps: Option<u32>,
    /// File of the figures.
    pub(crate) figures: Option<PathBuf>,
    /// Forgets the figures first.
    pub(crate) anew: bool,
}

impl Options {
    pub(crate) fn read(mut arguments: Parser) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("seeds") => options.seeds = arguments.value()?.parse_with(range)?,
                Arg::Long("steps") => options.steps = Some(arguments.value()?.parse()?),
                Arg::Long("figures") => options.figures = Some(arguments.value()?.into()),
                Arg::Long("tls") => options.tls = true,
                Arg::Long("anew") => options.anew = true,
                other => return Err(other.unexpected().into()),
            }
        }
        let wrong = |what: &str| Err(Failure::Usage(what.to_owned()));
        if options.seeds.is_empty() {
            return wrong("`campaign` needs `--seeds FROM..TO`, two numbers of which the first is the smaller");
        }
        if options.steps == Some(0) || options.steps.is_some() && options.figures.is_some() {
            return wrong("`--steps` is a number above 0, and without `--figures`, since it adds to none");
        }
        Ok(options)
    }
}

fn range(seeds: &str) -> Result<Range<u64>, String> {
    let range = seeds.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.ok_or_else(|| "not a range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, Failure> {
        Options::read(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn seeds_are_range_steps_are_number() {
        let options = Options { seeds: 3..17, steps: Some(43), ..Options::default() };
        assert_eq!(read("--seeds 3..17 --steps 43"), Ok(options));
    }

    #[test]
    fn invalid_seeds_and_steps_are_refused() {
        for seeds in ["", "3", "3..", "..3", "3..3", "4..3", "a..b", "-1..3", "1...3"] {
            assert!(matches!(read(&format!("--seeds={seeds}")), Err(Failure::Usage(_))), "{seeds}");
        }
        for rest in ["", "--seeds 1..2 --steps 0", "--seeds 1..2 --steps x", "--seeds 1..2 --steps 3 --figures f"] {
            assert!(matches!(read(rest), Err(Failure::Usage(_))), "{rest}");
        }
    }
}
