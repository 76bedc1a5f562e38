//! Submission and cancellation of an action.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};

use crate::{
    entra::jwt::Claims,
    http::{
        body::{Asked, COMMON, Fields},
        problem::Problem,
        response::ApiResponse,
    },
    service::Service,
    settings::CreatedStatus,
    store::{
        action::{Cancellation, MachineAction, RelatedFile, TypeName, View},
        action_kind::{ActionKind, Asks},
        duplicates::Decision,
        ledger::Effect,
        lifecycle::{Life, Outcome, Pace, THREE_DAYS, TWO_HOURS},
        live_response::SESSIONS,
        machines::MachineState,
    },
    wire_format::json_style::cut,
};

/// `errorHResult` of a session whose file is not in the library, 0x80070002; inferred.
const FILE_NOT_FOUND: i32 = -2_147_024_894;

/// Handles the POST of an action on the machine `id`.
pub(crate) fn submit(
    service: &Service,
    kind: &'static ActionKind,
    (id, caller): (&str, &Claims),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<ApiResponse, Problem> {
    let asked = Asked::read(kind.asks, headers, body)?;
    let (settings, behaviors) = (&service.settings, service.behaviors());
    let spelling = behaviors.spelling;
    let world = &mut *service.world();
    // The time is read under the lock, so that actions are in the order of their dates. The date is read first, so that no
    // record is dated later than its states: a fast clock may advance far between the two reads.
    let (now, elapsed) = (service.clock.now(), service.clock.elapsed());
    let Some((index, machine)) = world.machines.find(id) else {
        return Err(Problem::no_such("Machine", id));
    };
    let number = world.actions.len();
    let is_session = kind.asks == Asks::Commands;
    let mut pace = settings.pace;
    world.repeats = world.repeats.wrapping_add(1);
    if let Some(earlier) = world.actions.active(index, kind.type_name, elapsed) {
        match behaviors.duplicates.decide(number, is_session, world.repeats) {
            Decision::Refuse => {
                // The message is documented on most pages; the code is the live-response page's, and other clients look
                // for it here too: <https://learn.microsoft.com/defender-endpoint/api/run-live-response>.
                return Err(Problem::bad("ActiveRequestAlreadyExists", "Action is already in progress"));
            }
            Decision::Join => return Ok(joined(service, kind, (earlier, elapsed))),
            Decision::Accept { tenths } => pace = paced(pace, tenths),
        }
    } else if behaviors.duplicates.joins_ended(number, world.repeats)
        && let Some(ended) = world.actions.last(index, kind.type_name)
    {
        return Ok(joined(service, kind, (ended, elapsed)));
    }
    if is_session && world.actions.count_active(kind.type_name, elapsed) >= SESSIONS {
        // The page states the number and the status, and no `Retry-After`.
        return Err(Problem::too_many("The maximum number of concurrent live response sessions was reached", None));
    }
    let state = MachineState::of(machine, &world.actions);
    let mut commands = asked.commands;
    for command in &mut commands {
        command.is_missing = command.library_file().is_some_and(|file| !world.library.contains_key(file));
    }
    let outcome = match service.outcomes.next(id, kind.type_name) {
        Some(outcome) => outcome,
        // Inferred. Others have seen `Succeeded` with a command that failed (microsoft-365-docs, PR 11695): a test that
        // needs this sets the outcome.
        None if commands.iter().any(|command| command.is_missing) => Outcome::Failed { error_hresult: FILE_NOT_FOUND },
        None => Outcome::Succeeded,
    };
    let patience = if is_session { TWO_HOURS } else { THREE_DAYS };
    // An action on an offline or offboarded machine does not begin; inferred for an offboarded machine.
    let life = if state.online && state.onboarded {
        Life::new(elapsed, pace, patience, outcome)
    } else {
        Life::waiting(elapsed, patience, outcome)
    };
    let digits = spelling.digits(number);
    let (time, digits) = world.actions.not_before_the_last(cut(now, digits), digits);
    let action = MachineAction {
        id: service.new_id(),
        type_name: TypeName::Known(kind),
        requestor: Arc::from(caller.requestor(spelling.requestor.drawn(number))),
        comment: asked.comment.and_then(|comment| spelling.comments.written(number, comment)).map(Arc::from),
        external_id: spelling.external_ids.written(number, asked.external_id).map(Arc::from),
        title: asked.title.map(Arc::from),
        request_source: asked.request_source,
        scope: asked.scope.map(Cow::Borrowed),
        file: asked
            .sha1
            .map(|sha1| Arc::new(RelatedFile { file_identifier: sha1, file_identifier_type: Cow::Borrowed("Sha1") })),
        commands: commands.into(),
        machine: index,
        machine_id: Arc::clone(&machine.id),
        computer_dns_name: Arc::clone(&machine.computer_dns_name),
        created: time,
        began: time,
        digits,
        number,
        life,
        cancellation: None,
        is_old: false,
        given: None,
    };
    let body = action.entity(&service.base_url, service.moment(elapsed, View::JustCreated));
    let effect = Effect::Created(action.id.to_string());
    let response = ApiResponse::entity(created(settings.created, kind), &body).with(effect);
    world.actions.insert(action);
    Ok(response)
}

/// Returns the response with an earlier action.
fn joined(service: &Service, kind: &ActionKind, (action, elapsed): (&MachineAction, Duration)) -> ApiResponse {
    let body = action.entity(&service.base_url, service.moment(elapsed, View::Joined));
    ApiResponse::entity(created(service.settings.created, kind), &body).with(Effect::Joined(action.id.to_string()))
}

fn created(switch: CreatedStatus, kind: &ActionKind) -> StatusCode {
    match switch {
        CreatedStatus::Documented if kind.type_name == "Offboard" => StatusCode::OK,
        CreatedStatus::Documented | CreatedStatus::Created => StatusCode::CREATED,
        CreatedStatus::Ok => StatusCode::OK,
    }
}

fn paced(pace: Pace, tenths: u32) -> Pace {
    let share = |time: Duration| time.saturating_mul(tenths) / 10;
    Pace { pending_for: share(pace.pending_for), running_for: share(pace.running_for) }
}

/// Handles the POST that cancels the action `id`.
///
/// Source: <https://learn.microsoft.com/defender-endpoint/api/cancel-machine-action>. Other clients have
/// seen a 400 for an action that has ended; the code in its body is inferred.
pub(crate) fn cancel(
    service: &Service,
    (id, caller): (&str, &Claims),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<ApiResponse, Problem> {
    let comment = Fields::read(headers, body, COMMON)?.nullable("Comment")?;
    let world = &mut *service.world();
    let elapsed = service.clock.elapsed();
    let now = service.clock.now();
    let (digits, number) = world.actions.get(id).map_or((7, 0), |action| (action.digits, action.number));
    let requestor = service.behaviors().spelling.requestor;
    let cancellation = Cancellation {
        requestor: Some(Arc::from(caller.requestor(requestor.drawn(number)))),
        comment: comment.map(Arc::from),
        at: Some(cut(now, digits)),
    };
    match world.actions.cancel(id, elapsed, cancellation) {
        Err(status) => Err(Problem::bad("BadRequest", format!("The action cannot be cancelled: it is {status}"))),
        Ok(None) => Err(Problem::no_such("MachineAction", id)),
        Ok(Some(action)) => {
            let body = action.entity(&service.base_url, service.moment(elapsed, View::Joined));
            Ok(ApiResponse::entity(StatusCode::OK, &body).with(Effect::Cancelled(action.id.to_string())))
        }
    }
}
