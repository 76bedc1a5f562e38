//! Reading actions: one by its id, or a list.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use serde_json::Value;

use crate::{
    answer::Answer,
    collection::Page,
    machine_action::{MachineAction, View},
    odata::{Kind, Property, Query, Row, Val},
    plan::{Direction, Plan},
    problem::Problem,
    service::Service,
};

pub(crate) const ID: usize = 0;
pub(crate) const STATUS: usize = 1;
pub(crate) const MACHINE_ID: usize = 2;
pub(crate) const TYPE: usize = 3;
const REQUESTOR: usize = 4;
pub(crate) const CREATED: usize = 5;
const UPDATED: usize = 6;

/// What a list may be asked for: <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection>. The
/// last is not on the page, but a product that is shipped asks for it: elastic/integrations.
const SCHEMA: &[Property] = &[
    Property { name: "id", kind: Kind::Text },
    Property { name: "status", kind: Kind::Text },
    Property { name: "machineId", kind: Kind::Text },
    Property { name: "type", kind: Kind::Text },
    Property { name: "requestor", kind: Kind::Text },
    Property { name: "creationDateTimeUtc", kind: Kind::Date },
    Property { name: "lastUpdateDateTimeUtc", kind: Kind::Date },
];

/// An action at a moment.
struct At<'a>(&'a MachineAction, Duration);

impl Row for At<'_> {
    fn value(&self, property: usize) -> Val<'_> {
        let text = |text| Val::Text(Cow::Borrowed(text));
        match property {
            ID => Val::Text(Cow::Owned(self.0.id.to_string())),
            STATUS => text(self.0.life.status(self.1)),
            MACHINE_ID => text(&self.0.machine_id),
            TYPE => text(self.0.kind.word),
            REQUESTOR => text(&self.0.requestor),
            CREATED => Val::Date(self.0.created),
            UPDATED => Val::Date(self.0.updated(self.1)),
            _ => Val::Null,
        }
    }
}

/// Answers a GET of one action.
pub(crate) fn one(service: &Service, id: &str) -> Result<Answer, Problem> {
    let world = service.world();
    let elapsed = service.clock.elapsed();
    let action = world.actions.get(id).filter(|action| action.is_visible(elapsed, service.settings.read_lag));
    let action = action.ok_or_else(|| Problem::no_such("MachineAction", id))?;
    let body = action.entity(&service.base_url, service.settings.spelling, elapsed, View::Later);
    Ok(Answer::entity(StatusCode::OK, &body))
}

/// Answers a GET of the list, newest first, or of how many there are.
pub(crate) fn list(service: &Service, argument: &str, query: &str) -> Result<Answer, Problem> {
    let mut query = Query::read(query, SCHEMA)?;
    query.count |= argument == "$count";
    let settings = &service.settings;
    let mut world = service.world();
    let elapsed = service.clock.elapsed();
    world.actions.settle(elapsed);
    let actions = &world.actions;
    let (direction, sort) = match query.order.as_slice() {
        [] | [(CREATED, true)] => (Direction::NewestFirst, false),
        [(CREATED, false)] => (Direction::OldestFirst, false),
        _ => (Direction::NewestFirst, true),
    };
    let rows = Plan::of(query.filter.as_ref(), actions).numbers(direction).filter_map(|number| actions.nth(number));
    let rows = rows.filter(|action| action.is_visible(elapsed, settings.read_lag)).map(|action| At(action, elapsed));
    if argument == "$count" {
        let rows = rows.filter(|row| query.filter.as_ref().is_none_or(|filter| filter.holds(row)));
        return Ok(Answer::number(rows.count()));
    }
    let page = Page::of(&query, rows, settings.page_size, sort);
    let to_json = |row: &At<'_>| Value::Object(row.0.row(settings.spelling, elapsed, View::Later));
    Ok(page.answer(&query, &service.base_url, ("machineactions", "MachineActions"), to_json))
}
