//! Search for the smallest world that shows a fault.

use super::world::{Other, Submission, World};

pub(super) fn smallest(world: &World, happens: impl Fn(&World) -> bool) -> World {
    let mut small = world.clone();
    while let Some(smaller) = simpler(&small).into_iter().find(|simpler| *simpler != small && happens(simpler)) {
        small = smaller;
    }
    small
}

/// Worlds that differ from `world` in one thing, which is removed or has its default.
fn simpler(world: &World) -> Vec<World> {
    let usual = World::default();
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut World)| {
        let mut changed = world.clone();
        change(&mut changed);
        all.push(changed);
    };
    for number in 0..world.others.len() {
        with(&|world| {
            world.others.remove(number);
        });
    }
    with(&|world| world.reads.clear());
    for number in 0..world.submissions.len() {
        if world.submissions.len() > 1 {
            with(&|world| {
                world.submissions.remove(number);
            });
        }
    }
    with(&|world| world.kind = usual.kind);
    with(&|world| world.clock_ahead = usual.clock_ahead);
    with(&|world| world.principal = usual.principal);
    with(&|world| world.service.date = usual.service.date);
    with(&|world| world.service.comment = usual.service.comment);
    with(&|world| world.service.requestor = usual.service.requestor);
    with(&|world| world.service.fill = usual.service.fill);
    with(&|world| world.service.echo = usual.service.echo);
    with(&|world| world.service.lag = usual.service.lag);
    with(&|world| world.service.missing = usual.service.missing);
    with(&|world| world.service.duplicate = usual.service.duplicate);
    let submission = Submission::default();
    for number in 0..world.submissions.len() {
        with(&|world| world.submissions[number].at = submission.at);
        with(&|world| world.submissions[number].scope = submission.scope);
        with(&|world| world.submissions[number].comment = submission.comment);
        with(&|world| world.submissions[number].ids = submission.ids);
        with(&|world| world.submissions[number].network = submission.network);
        with(&|world| world.submissions[number].lost_after = submission.lost_after);
        with(&|world| world.submissions[number].delay = submission.delay);
        with(&|world| world.submissions[number].crashes = submission.crashes);
    }
    let other = Other::default();
    for number in 0..world.others.len() {
        with(&|world| world.others[number].at = other.at);
        with(&|world| world.others[number].lasts = other.lasts);
        with(&|world| world.others[number].request = other.request);
        with(&|world| world.others[number].request.external_id = None);
        with(&|world| world.others[number].request.comment = other.request.comment);
    }
    all
}
