//! Options of the command line.

use jiff::SignedDuration;
use lexopt::{Arg, Parser, ValueExt};
use xtask::Failure;

use super::server::{Settings, Version};

/// Options of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) actions: u64,
    pub(super) http2: bool,
    pub(super) seed: u64,
    pub(super) ids: Ids,
    pub(super) speed: u32,
}

/// Source of the external ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    AsGiven,
    Generated,
}

impl Options {
    pub(super) fn read(mut arguments: Parser) -> Result<Self, Failure> {
        let mut options = Self { actions: 5_000, http2: false, seed: 0, ids: Ids::AsGiven, speed: 30 };
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("actions") => options.actions = arguments.value()?.parse()?,
                Arg::Long("seed") => options.seed = arguments.value()?.parse()?,
                Arg::Long("speed") => options.speed = arguments.value()?.parse()?,
                Arg::Long("http2") => options.http2 = true,
                Arg::Long("ids") => {
                    options.ids = arguments.value()?.parse_with(|word| match word {
                        "as-given" => Ok(Ids::AsGiven),
                        "generated" => Ok(Ids::Generated),
                        _ => Err("neither `as-given` nor `generated`"),
                    })?;
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// The server's behavior and how far the client's clock is ahead of the server's, by seed.
    pub(super) fn settings(&self) -> (Settings, SignedDuration) {
        let version = if self.http2 { Version::Http2 } else { Version::Http1 };
        let (dates, ahead) = match self.seed % 4 {
            0 => (true, 0),
            1 => (true, 7),
            2 => (true, -11),
            _ => (false, 10),
        };
        let page = match self.seed % 3 {
            0 => 10_000,
            1 => 2_000,
            _ => 500,
        };
        (Settings { seed: self.seed, version, percent: 30.0, dates, page }, SignedDuration::from_mins(ahead))
    }
}
