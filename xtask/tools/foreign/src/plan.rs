//! Actions of a plan, by seed.

use super::{
    dice::{dice, hits, pick},
    report::Asked,
    server::{Kind, Particulars},
};

/// Beginning of the external ids that the driver sets.
pub(super) const OWN_ID: &str = "INC-";

/// A submission that is to be made.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) submission: u64,
    pub(super) asked: Asked,
    /// An external id of the caller's own.
    pub(super) external_id: Option<String>,
    pub(super) wait: bool,
}

/// The submission of this number. In 3 % it repeats one of a few before it on the same machine, most often with
/// its comment.
pub(super) fn step(seed: u64, submission: u64) -> Step {
    let mut rng = dice(seed, "plan", submission, 0);
    let mut asked = asked(seed, submission);
    if hits(&mut rng, 3.0) && submission > 8 {
        let earlier = self::asked(seed, submission - rng.u64(1..8));
        let particulars = if rng.bool() { particulars(&mut rng, earlier.kind) } else { earlier.particulars.clone() };
        let comment = if hits(&mut rng, 40.0) { asked.comment } else { earlier.comment };
        asked = Asked { comment, particulars, resend_if_lost: asked.resend_if_lost, ..earlier };
    }
    let external_id = hits(&mut rng, 4.0).then(|| format!("{OWN_ID}{submission}"));
    Step { submission, asked, external_id, wait: hits(&mut rng, 6.0) }
}

fn asked(seed: u64, submission: u64) -> Asked {
    let mut rng = dice(seed, "asked", submission, 0);
    let kind = pick(&mut rng, Kind::ALL);
    // In one of ten, a machine of which more is asked.
    let machine = if hits(&mut rng, 10.0) { rng.u64(..40) } else { 1_000 + submission };
    let mut name = dice(seed, "machine", machine, 0);
    let machine = format!("{:016x}{:016x}{:08x}", name.u64(..), name.u64(..), name.u32(..));
    let comment = match rng.u32(..100) {
        0..15 => format!(
            "{} of case {submission}",
            "Contain the host as the runbook of the night shift says. ".repeat(rng.usize(1..5))
        ),
        15..25 => format!("Case {submission}\nApproved by the duty manager\nsee wiki"),
        25..35 => format!("Case {submission}: R&D's host <lab> isn't clean"),
        35..40 => "Isolate machine due to alert 1234".to_owned(),
        _ => format!("Case {submission}: alert 3212"),
    };
    let particulars = particulars(&mut rng, kind);
    Asked { kind, machine, comment, particulars, resend_if_lost: hits(&mut rng, 30.0) }
}

fn particulars(rng: &mut fastrand::Rng, kind: Kind) -> Particulars {
    let other = rng.bool();
    let scope = |name: &str| Particulars { scope: Some(name.to_owned()), file: None };
    match kind {
        Kind::Isolate => scope(if other { "Selective" } else { "Full" }),
        Kind::Scan => scope(if other { "Quick" } else { "Full" }),
        Kind::Quarantine => {
            let file = if other { "c" } else { "a" };
            Particulars { scope: None, file: Some(file.repeat(40)) }
        }
        _ => Particulars::default(),
    }
}
