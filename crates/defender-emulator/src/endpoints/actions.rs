//! Reading actions: one by its id, or a list.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::StatusCode;

use crate::{
    http::{page::Page, problem::Problem, response::ApiResponse},
    odata::{Compare, Expr, Kind, Operand, Property, Query, Row, Val},
    service::Service,
    store::action::{ActionRow, MachineAction, Moment, View},
};

const ID: usize = 0;
const STATUS: usize = 1;
const MACHINE_ID: usize = 2;
const TYPE: usize = 3;
const REQUESTOR: usize = 4;
const CREATED: usize = 5;
const UPDATED: usize = 6;

/// The properties of a list: <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection>. The
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

impl<'a> At<'a> {
    fn written(moment: Moment) -> impl Fn(&Self) -> ActionRow<'a> {
        move |row| ActionRow { action: row.0, moment }
    }
}

impl Row for At<'_> {
    fn value(&self, property: usize) -> Val<'_> {
        let text = |text| Val::Text(Cow::Borrowed(text));
        match property {
            ID => Val::Text(Cow::Owned(self.0.id.to_string())),
            STATUS => text(self.0.status(self.1)),
            MACHINE_ID => text(&self.0.machine_id),
            TYPE => text(self.0.type_name.as_str()),
            REQUESTOR => text(&self.0.requestor),
            CREATED => Val::Date(self.0.created),
            UPDATED => Val::Date(self.0.updated(self.1)),
            _ => Val::Null,
        }
    }
}

/// Handles a GET of one action.
pub(crate) fn one(service: &Service, id: &str) -> Result<ApiResponse, Problem> {
    let world = service.world();
    let elapsed = service.clock.elapsed();
    let action = world.actions.get(id).filter(|action| action.is_visible(elapsed, service.settings.read_lag));
    let action = action.ok_or_else(|| Problem::no_such("MachineAction", id))?;
    let body = action.entity(&service.base_url, service.moment(elapsed, View::Later));
    Ok(ApiResponse::entity(StatusCode::OK, &body))
}

/// Handles a GET of the list, newest first, or of how many there are.
pub(crate) fn list(service: &Service, argument: &str, query: &str) -> Result<ApiResponse, Problem> {
    let query = Query::read(query, SCHEMA, service.settings.in_operator)?;
    Ok(listed(service, argument, query, "machineactions"))
}

/// Handles a GET of the actions of one machine, which takes what the list of all takes.
pub(crate) fn of_machine(service: &Service, id: &str, query: &str) -> Result<ApiResponse, Problem> {
    let mut query = Query::read(query, SCHEMA, service.settings.in_operator)?;
    let known = service.world().machines.find(id).map(|(_, machine)| Arc::clone(&machine.id));
    let known = known.ok_or_else(|| Problem::no_such("Machine", id))?;
    let of = Operand::Property(MACHINE_ID, Kind::Text);
    let mine = Expr::Is(of, Compare::Eq, Operand::Literal(Val::Text(Cow::Owned(known.to_string()))));
    query.filter = Some(match query.filter.take() {
        None => mine,
        Some(filter) => Expr::And(vec![filter, mine]),
    });
    Ok(listed(service, "", query, &format!("machines/{known}/machineActions")))
}

fn listed(service: &Service, argument: &str, mut query: Query, collection: &str) -> ApiResponse {
    query.count |= argument == "$count";
    let settings = &service.settings;
    let world = service.world();
    let elapsed = service.clock.elapsed();
    let visible = world.actions.visible(elapsed, settings.read_lag);
    if query.count && query.filter.is_none() {
        query.known_count = Some(visible.len());
    }
    let (oldest_first, sort) = match query.order.as_slice() {
        [] | [(CREATED, true)] => (false, false),
        [(CREATED, false)] => (true, false),
        _ => (false, true),
    };
    let actions: Box<dyn Iterator<Item = &MachineAction>> =
        if oldest_first { Box::new(visible.iter()) } else { Box::new(visible.iter().rev()) };
    let rows = actions.map(|action| At(action, elapsed));
    if argument == "$count" {
        let counted = || rows.filter(|row| query.filter.as_ref().is_none_or(|filter| filter.holds(row))).count();
        return ApiResponse::number(query.known_count.unwrap_or_else(counted));
    }
    let page = Page::of(&query, rows, settings.page_size, sort);
    let moment = service.moment(elapsed, View::Later);
    page.respond(&query, &service.base_url, (collection, "MachineActions"), At::written(moment))
}
