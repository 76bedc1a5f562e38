//! `defender actions`: single actions, by their ids.

use std::time::Duration;

use clap::{Args, Subcommand};
use defender_actions::{
    DefenderClient, ErrorKind,
    model::{ActionStatus, ActionType, Filter, MachineAction, MachineId, sanitize_line},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{awaited::awaited, confirm::confirm, readable::next_row, signals::Signals, verb::VERBS};
use crate::{
    failure::{Exit, Failure, exit_of},
    output::{Output, Record, exit_of_printed, talk},
    session::Session,
};

const LIST_EXAMPLES: &str = "\
Examples:
  defender --tenant contoso actions list --status pending
  defender --tenant contoso actions list --type isolate --since 7d -o csv
  defender --tenant contoso actions list --machine ws-fin-01.contoso.example --type unrestrict

Exit codes: 0 all were read, 2 an action cannot be read, 4 sign-in or permission.";

const SHOW_EXAMPLES: &str = "\
Examples:
  defender --tenant contoso actions show 44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e -o json";

const CANCEL_EXAMPLES: &str = "\
An action that the machine has carried out already cannot be cancelled.

Examples:
  defender --tenant contoso actions cancel 44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e --comment 'false positive'";

const WAIT_EXAMPLES: &str = "\
Examples:
  defender --tenant contoso actions wait 44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e --at-most 30m

Exit codes: 0 all succeeded, 2 an action failed or is still running, 3 another record took the place of an action, 4 sign-in or permission.";

/// Longest name of a machine, in characters.
const SHOWN: usize = 60;

#[derive(Debug, Subcommand)]
pub(super) enum Actions {
    /// Lists actions, the newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Shows one action
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Show),
    /// Cancels an action that has not been carried out yet
    #[command(after_help = CANCEL_EXAMPLES)]
    Cancel(Cancel),
    /// Waits until actions have ended
    #[command(after_help = WAIT_EXAMPLES)]
    Wait(Wait),
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Only actions on this machine
    #[arg(long, value_name = "NAME|ID")]
    machine: Option<String>,
    /// Only actions with this status, such as pending, succeeded or failed
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<ActionStatus>,
    /// Only actions of this verb, such as unrestrict, or of this type of the service, such as Isolate
    #[arg(long = "type", value_name = "TYPE", value_parser = action_type)]
    action_type: Option<ActionType>,
    /// Only actions of this time until now, such as 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,
    /// OData filter of the service, in addition to the others
    #[arg(long, value_name = "ODATA")]
    filter: Option<String>,
    /// Most actions
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

#[derive(Args, Debug)]
pub(super) struct Show {
    /// Id of the action
    id: String,
}

#[derive(Args, Debug)]
pub(super) struct Cancel {
    /// Id of the action
    id: String,
    /// Reason, for the audit trail of the service
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Sends without confirmation
    #[arg(long, short)]
    yes: bool,
}

#[derive(Args, Debug)]
pub(super) struct Wait {
    /// Ids of the actions
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Longest time to wait for all of them, such as 30m
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = duration)]
    at_most: Duration,
}

/// Action as the service has it.
#[derive(Serialize)]
struct ActionRow<'s> {
    tenant: &'s str,
    id: String,
    #[serde(rename = "type")]
    action_type: String,
    status: String,
    machine_id: Option<String>,
    machine: Option<String>,
    requestor: Option<String>,
    comment: Option<String>,
    scope: Option<String>,
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
    error_code: Option<i32>,
    /// Line of an error of this command.
    error: Option<String>,
}

impl Record for ActionRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "tenant",
        "id",
        "type",
        "status",
        "machine_id",
        "machine",
        "requestor",
        "comment",
        "scope",
        "created",
        "updated",
        "error_code",
        "error",
    ];
    const TABLE: &'static [&'static str] = &["created", "type", "status", "machine", "id", "comment", "requestor"];
}

impl<'s> ActionRow<'s> {
    fn new(tenant: &'s str, action: MachineAction) -> Self {
        let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned());
        Self {
            tenant,
            id: action.id.to_string(),
            action_type: action.action_type.to_string(),
            status: action.status.to_string(),
            machine_id: action.machine_id.map(|id| id.to_string()),
            machine: action.computer_dns_name,
            requestor: trimmed(action.requestor),
            comment: trimmed(action.requestor_comment),
            scope: action.scope,
            created: action.creation_date_time_utc,
            updated: action.last_update_date_time_utc,
            error_code: action.error_h_result.filter(|code| *code != 0),
            error: None,
        }
    }
}

impl Actions {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let (tenant, client) = (session.tenant()?.name(), session.client()?);
        match self {
            Self::List(list) => {
                let (rows, exit) = list.rows(tenant, &client, session.now()).await?;
                output.print(&rows)?;
                if rows.is_empty() && exit == Exit::Success {
                    talk::say(&format!("No action was found in tenant {tenant}."));
                }
                Ok(exit)
            }
            Self::Show(show) => {
                let action = client.action(id(&show.id)?).get().send().await?;
                output.print(&[ActionRow::new(tenant, action)])?;
                Ok(Exit::Success)
            }
            Self::Cancel(cancel) => {
                let handle = client.action(id(&cancel.id)?);
                let action = handle.get().send().await?;
                let machine = action.computer_dns_name.as_deref().unwrap_or("a machine without a name");
                let machine = sanitize_line(machine, SHOWN);
                talk::say(&format!(
                    "This cancels {} of {machine} in tenant {tenant}, which is {}.",
                    action.action_type, action.status
                ));
                let mut signals = Signals::listen()?;
                confirm(&mut signals, (1, "action"), "cancel this action", cancel.yes).await?;
                let cancelled = tokio::select! {
                    biased;
                    () = signals.next() => {
                        let show = session.command_of_tenant(&format!("actions show {}", action.id));
                        let why = format!("interrupted: the cancellation may have been sent; {show} shows the action");
                        return Err(Failure::interrupted(why));
                    }
                    cancelled = handle.cancel(cancel.comment).send() => cancelled?,
                };
                output.print(&[ActionRow::new(tenant, cancelled)])?;
                Ok(Exit::Success)
            }
            Self::Wait(wait) => wait.run(session, output).await,
        }
    }
}

impl List {
    async fn rows<'s>(
        &self,
        tenant: &'s str,
        client: &DefenderClient,
        now: Timestamp,
    ) -> Result<(Vec<ActionRow<'s>>, Exit), Failure> {
        let mut filters = Vec::new();
        if let Some(machine) = &self.machine {
            filters.push(MachineAction::MACHINE_ID.eq(machine_id(client, machine).await?));
        }
        if let Some(status) = &self.status {
            filters.push(MachineAction::STATUS.eq(status.clone()));
        }
        if let Some(action_type) = &self.action_type {
            filters.push(MachineAction::ACTION_TYPE.eq(action_type.clone()));
        }
        if let Some(since) = self.since {
            let from = now.checked_sub(since).map_err(|_| Failure::usage("--since is longer than the calendar"))?;
            filters.push(MachineAction::CREATION_DATE_TIME_UTC.ge(from));
        }
        filters.extend(self.filter.as_ref().map(Filter::raw));
        let list = filters.into_iter().fold(client.actions(), defender_actions::List::filter);
        let (mut list, mut actions, mut exit) = (list.stream(), Vec::new(), Exit::Success);
        while let Some(action) = next_row(&mut list, &mut exit).await? {
            actions.push(action);
        }
        // The service documents no order.
        actions.sort_by_key(|action: &MachineAction| std::cmp::Reverse(action.creation_date_time_utc));
        if actions.len() > self.limit {
            talk::warn(&format!(
                "the newest {} of {} actions are shown; raise --limit to see more",
                self.limit,
                actions.len()
            ));
            actions.truncate(self.limit);
        }
        Ok((actions.into_iter().map(|action| ActionRow::new(tenant, action)).collect(), exit))
    }
}

impl Wait {
    async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let (tenant, client, clock) = (session.tenant()?.name(), session.client()?, session.clock());
        let mut rows = Vec::new();
        let mut exit = Exit::Success;
        let ids = self.ids.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?;
        for (id, ended) in awaited(&client, &*clock, (&ids, self.at_most), talk::say).await {
            match ended {
                Ok(action) => rows.push(ActionRow::new(tenant, action)),
                Err(error) if matches!(error.kind(), ErrorKind::ActionFailed | ErrorKind::WaitTimeout) => {
                    talk::error(&error.to_string());
                    exit = exit.max(exit_of(&error));
                    rows.extend(
                        error.action().cloned().map(|action| ActionRow {
                            error: Some(error.to_string()),
                            ..ActionRow::new(tenant, action)
                        }),
                    );
                }
                Err(error) => {
                    talk::say(&format!("Action {id} was not waited for to its end."));
                    talk::error(&error.to_string());
                    exit = exit.max(exit_of(&error));
                }
            }
        }
        Ok(exit_of_printed(exit, output.print(&rows)))
    }
}

fn id(text: &str) -> Result<defender_actions::model::ActionId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("action {text}: {error}")))
}

/// Returns the id of a machine that is given by its id or by its exact name.
async fn machine_id(client: &DefenderClient, text: &str) -> Result<MachineId, Failure> {
    let is_id = matches!(text.len(), 32 | 40) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.parse() {
        Ok(id) if is_id => Ok(id),
        _ => Ok(client.machines().find(text).await?.id),
    }
}

/// Reads a verb of this program, or a type of the service.
fn action_type(text: &str) -> Result<ActionType, String> {
    let of_verb = VERBS.iter().find(|(verb, _)| verb.eq_ignore_ascii_case(text)).map(|(_, action)| *action);
    match ActionType::from(of_verb.unwrap_or(text)) {
        ActionType::Unknown(_) => {
            let verbs = VERBS.map(|(verb, _)| verb).join(", ");
            Err(format!(
                "give a verb ({verbs}), or a type of the service; another type goes into --filter \"type eq '…'\""
            ))
        }
        known => Ok(known),
    }
}

fn status(text: &str) -> Result<ActionStatus, String> {
    match ActionStatus::from(text) {
        ActionStatus::Unknown(_) => {
            let all = ActionStatus::KNOWN.join(", ");
            Err(format!("give one of {all}; another status goes into --filter \"status eq '…'\""))
        }
        known => Ok(known),
    }
}

/// Reads a time span such as `30m`, `1h 30m` or `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let days = text.trim().strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_secs(u64::from(days) * 86_400));
    }
    let span: SignedDuration = text.parse().map_err(|_| "give a time such as 30m, 24h or 7d".to_owned())?;
    Duration::try_from(span).map_err(|_| "the time must not be negative".to_owned())
}
