//! A world with the rules of the model; the implementation must make every decision in the same way.

use std::fmt::Debug;

use super::{
    course::History,
    implementation::Implementation,
    judge::{Finding, judge},
    model::Model,
    rules::{Accepted, Decision, Refusal, Refused, Rules, Subject},
    service::Record,
    world::World,
};

/// Model and implementation side by side.
struct Both;

fn agreed<T: PartialEq + Debug>((model, implementation): (T, T), about: &dyn Debug) -> T {
    assert_eq!(model, implementation, "model and implementation about {about:#?}");
    model
}

impl Rules for Both {
    fn may_be_ours(&self, subject: &Subject, record: &Record) -> bool {
        let both = (Model.may_be_ours(subject, record), Implementation.may_be_ours(subject, record));
        agreed(both, &(subject, record))
    }

    fn decide(&self, subject: &Subject, rows: &[Record]) -> Decision {
        agreed((Model.decide(subject, rows), Implementation.decide(subject, rows)), &(subject, rows))
    }

    fn accepted(&self, subject: &Subject, record: &Record) -> Accepted {
        let both = (Model.accepted(subject, record), Implementation.accepted(subject, record));
        agreed(both, &(subject, record))
    }

    fn refused(&self, subject: &Subject, refusal: Refusal<'_>) -> Refused {
        let both = (Model.refused(subject, refusal), Implementation.refused(subject, refusal));
        agreed(both, &(subject, refusal))
    }

    fn wait_ends(&self, subject: &Subject, record: &Record) -> bool {
        let both = (Model.wait_ends(subject, record), Implementation.wait_ends(subject, record));
        agreed(both, &(subject, record))
    }
}

/// Runs a world and judges it.
pub(super) fn check(world: &World) -> (History, Vec<Finding>) {
    let history = world.run(&Both);
    let findings = judge(world, &history);
    (history, findings)
}
