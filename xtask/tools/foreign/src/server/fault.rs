//! Faults of a call.

use std::time::Duration;

use crate::dice::{hits, pick};

/// A misbehaviour of the service, or of something between it and the client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The connection is closed before the call had an effect.
    CloseBefore,
    /// An error of the service or a gateway before the effect.
    StatusBefore(u16),
    /// 429, with nothing done.
    Throttled,
    /// An HTML page in the service's place, with nothing done.
    BlockedBefore(u16),
    /// A gateway's JSON error in the service's place, with nothing done.
    GatewayBefore(u16),
    /// 401 for a token that is good.
    Unauthorized,
    /// The connection is closed after the effect, before the head.
    CloseAfter,
    /// The head arrives, and no body.
    HeadOnly,
    /// The body ends early.
    Cut,
    /// The head comes after the client's time.
    Late(Duration),
    StatusAfter(u16),
    BlockedAfter(u16),
    GatewayAfter(u16),
    /// A 2xx with a body that is no record.
    Garbled,
    /// A 2xx with another machine's record.
    Crossed,
    /// The connection is closed, and the effect comes later.
    LateEffect(Duration),
    /// A list whose next links lead nowhere.
    Circle,
}

impl Fault {
    /// The fault of a POST of an action, in `percent` of the calls.
    pub(super) fn of_post(rng: &mut fastrand::Rng, percent: f64) -> Option<Self> {
        if !hits(rng, percent) {
            return None;
        }
        Some(match rng.u32(..100) {
            0..8 => Self::CloseBefore,
            8..15 => Self::StatusBefore(server_error(rng)),
            15..22 => Self::Throttled,
            22..26 => Self::BlockedBefore(page_status(rng)),
            26..30 => Self::GatewayBefore(gateway_status(rng)),
            30..32 => Self::Unauthorized,
            32..48 => Self::CloseAfter,
            48..56 => Self::HeadOnly,
            56..64 => Self::Cut,
            64..71 => Self::Late(Duration::from_secs(rng.u64(25..90))),
            71..82 => Self::StatusAfter(server_error(rng)),
            82..86 => Self::BlockedAfter(page_status(rng)),
            86..89 => Self::GatewayAfter(gateway_status(rng)),
            89..93 => Self::Garbled,
            93..95 => Self::Crossed,
            _ => Self::LateEffect(Duration::from_secs(rng.u64(1..100))),
        })
    }

    /// The fault of a read, or of a cancellation, in `percent` of the calls.
    pub(super) fn of_read(rng: &mut fastrand::Rng, percent: f64) -> Option<Self> {
        if !hits(rng, percent) {
            return None;
        }
        Some(match rng.u32(..100) {
            0..15 => Self::CloseBefore,
            15..35 => Self::StatusBefore(server_error(rng)),
            35..45 => Self::Throttled,
            45..52 => Self::BlockedBefore(page_status(rng)),
            52..58 => Self::GatewayBefore(gateway_status(rng)),
            58..60 => Self::Unauthorized,
            60..68 => Self::HeadOnly,
            68..80 => Self::Cut,
            80..85 => Self::Late(Duration::from_secs(rng.u64(25..60))),
            85..92 => Self::Garbled,
            92..97 => Self::Circle,
            _ => Self::StatusAfter(server_error(rng)),
        })
    }

    /// Returns true if a POST that meets it has an effect, sooner or later.
    pub(crate) fn has_effect(self) -> bool {
        !matches!(
            self,
            Self::CloseBefore
                | Self::StatusBefore(_)
                | Self::Throttled
                | Self::BlockedBefore(_)
                | Self::GatewayBefore(_)
                | Self::Unauthorized
        )
    }
}

fn server_error(rng: &mut fastrand::Rng) -> u16 {
    pick(rng, [500, 502, 503, 504])
}

fn page_status(rng: &mut fastrand::Rng) -> u16 {
    pick(rng, [200, 200, 302, 400, 403, 511])
}

fn gateway_status(rng: &mut fastrand::Rng) -> u16 {
    pick(rng, [400, 403, 404, 404, 502])
}
