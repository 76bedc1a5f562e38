//! Runs: following one, and `defender resume|halt|retry|report|revert`.

use clap::Args;
use defender_fleet::{RetryRows, Run};
use defender_store::RunId;

use super::{
    act::{Confirmed, SendOptions, prompt, send},
    confirm::confirm,
    follow::follow,
    repeat::{is_unsent, refusal_of_other},
    report::{exit_of, may_have_been_sent, print, print_runs, say_halt},
    signals::Signals,
    verb::Isolation,
};
use crate::{
    failure::{Exit, Failure},
    output::{Output, exit_of_printed, talk},
    session::Session,
};

const RESUME_EXAMPLES: &str = "\
Goes on with a run that was interrupted, halted, or whose process died. What may have been sent is looked for in the journal and at
the service, and never sent again. After a crash, the rows of the dead process are taken once its lease of 90 seconds is over.

Examples:
  defender resume 5f2c7a90d1e3
  defender resume 5f2c7a90d1e3 --yes -o jsonl";

const HALT_EXAMPLES: &str = "\
Nothing more is sent, by whichever process works on the run. What was sent is still waited for.

Examples:
  defender halt 5f2c7a90d1e3 --reason 'wrong list'";

const RETRY_EXAMPLES: &str = "\
Does machines again that failed or, with --unknown, whose outcome is unknown: their action may then be done twice, so look at
the machines first. It also goes on with what the run has not sent, and the number to type counts both.

Examples:
  defender retry 5f2c7a90d1e3
  defender retry 5f2c7a90d1e3 --unknown";

const REPORT_EXAMPLES: &str = "\
One row for each machine, and for each target that was left out. Without RUN it lists the newest runs. Nothing is sent.

Examples:
  defender report
  defender report 5f2c7a90d1e3 -o csv > report.csv
  defender report 5f2c7a90d1e3 -o json | jq '.[] | select(.state != \"succeeded\")'

Exit codes: those of the run: 0 all succeeded, 2 something failed, is not done or could not be acted on, 3 an outcome is unknown,
4 all that failed were refused for sign-in or permission.";

const REVERT_EXAMPLES: &str = "\
Plans the inverse of each action that the run created itself, and runs that plan once it is confirmed. Actions that others requested
stay.

Examples:
  defender revert 5f2c7a90d1e3 --comment 'INC-4711: false positive'
  defender revert 5f2c7a90d1e3 --comment 'INC-4711' --dry-run
  defender revert 5f2c7a90d1e3 --comment 'INC-4711: released too early' --type full";

/// Goes on with a run
#[derive(Args, Debug)]
#[command(after_help = RESUME_EXAMPLES)]
pub(super) struct Resume {
    /// Id of the run
    #[arg(value_parser = run_id)]
    run: RunId,
    #[command(flatten)]
    confirmed: Confirmed,
}

/// Halts a run
#[derive(Args, Debug)]
#[command(after_help = HALT_EXAMPLES)]
pub(super) struct Halt {
    /// Id of the run
    #[arg(value_parser = run_id)]
    run: RunId,
    /// Reason, for the report
    #[arg(long, default_value = "halted by `defender halt`", value_name = "TEXT")]
    reason: String,
}

/// Does failed machines of a run again
#[derive(Args, Debug)]
#[command(after_help = RETRY_EXAMPLES)]
pub(super) struct Retry {
    /// Id of the run
    #[arg(value_parser = run_id)]
    run: RunId,
    /// The machines whose outcome is unknown, in place of those that failed: their action may be done twice
    #[arg(long)]
    unknown: bool,
    #[command(flatten)]
    confirmed: Confirmed,
}

/// Reports a run
#[derive(Args, Debug)]
#[command(after_help = REPORT_EXAMPLES)]
pub(super) struct ReportCommand {
    /// Id of the run [default: the list of runs]
    #[arg(value_parser = run_id)]
    run: Option<RunId>,
    /// Most runs of the list
    #[arg(long, default_value_t = 20, value_name = "NUMBER", conflicts_with = "run")]
    limit: usize,
}

/// Undoes a run
#[derive(Args, Debug)]
#[command(after_help = REVERT_EXAMPLES)]
pub(super) struct Revert {
    /// Id of the run
    #[arg(value_parser = run_id)]
    run: RunId,
    /// Reason, for the audit trail of the service
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Includes actions that were found by their comment alone after a lost response
    #[arg(long)]
    even_if_not_ours: bool,
    /// Extent of the isolation that undoes a release: required if the run released machines
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    isolation_type: Option<Isolation>,
    #[command(flatten)]
    options: SendOptions,
}

impl Revert {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let run = session.run(&self.run).await?;
        let info = run.approved().plan.action.info();
        match (self.isolation_type, info.inverse == Some("Isolate")) {
            (None, true) => {
                return Err(Failure::usage(format!(
                    "run {} released machines, and does not have the type of their isolation; add --type full, --type selective or \
                     --type unmanaged-device",
                    self.run
                )));
            }
            (Some(_), false) => {
                return Err(Failure::usage(format!(
                    "--type is for a run that released machines, and run {} is of {}; leave --type out",
                    self.run, info.action_type
                )));
            }
            _ => {}
        }
        let revert = run.revert(self.comment);
        let revert = if self.even_if_not_ours { revert.even_if_not_ours() } else { revert };
        let revert = match self.isolation_type {
            Some(isolation) => revert.isolation_type(isolation.into()),
            None => revert,
        };
        send(session, output, revert.await?, self.options).await
    }
}

impl Resume {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let run = session.run(&self.run).await?;
        let summary = run.summary().await?;
        let (counts, is_unsent) = (summary.counts, is_unsent(&summary));
        if is_unsent && let Some(refusal) = refusal_of_other(session, &run).await? {
            return Err(refusal);
        }
        let mut signals = Signals::listen()?;
        confirm_open(&mut signals, &run, counts.planned + counts.sending, self.confirmed).await?;
        let in_hand = counts.sending + counts.submitted;
        if in_hand > 0 {
            talk::say(&format!(
                "{} may have been sent, without an end so far. Those of a process that died are taken over once its lease of 90 seconds is over.",
                talk::counted(size(in_hand), "action")
            ));
        }
        let (resumed, is_interrupted) = signals.through(session.fleet.resume(&self.run)).await;
        if is_interrupted {
            return Err(interrupted(session, &run).await);
        }
        let run = resumed?;
        if is_unsent {
            look_again(&mut signals, session, &run).await?;
        }
        follow(session, output, run, signals).await
    }
}

/// Asks for a confirmation if requests may be sent.
async fn confirm_open(signals: &mut Signals, run: &Run, open: u32, confirmed: Confirmed) -> Result<(), Failure> {
    match size(open) {
        0 => Ok(()),
        open => confirm(signals, (open, "machine"), &prompt(&run.approved().plan, open), confirmed.yes).await,
    }
}

/// Halts a run that was resumed, and fails, if another person may have resumed another run of its plan meanwhile. Of two that resume, each has
/// done so before it looks, so that at most one goes on.
async fn look_again(signals: &mut Signals, session: &Session, run: &Run) -> Result<(), Failure> {
    let (looked, is_interrupted) = signals.through(refusal_of_other(session, run)).await;
    match looked {
        _ if is_interrupted => Err(interrupted(session, run).await),
        Ok(None) => Ok(()),
        Ok(Some(refusal)) => Err(halted_again(run, "the plan has another run", refusal).await),
        Err(Failure { exit, message }) => {
            let failure = Failure::new(exit, format!("nothing was sent: {message}"));
            let failure = halted_again(run, "the plan may have another run", failure).await;
            talk::say(&session.to_go_on(run.id()));
            Err(failure)
        }
    }
}

/// Halts a run that was to go on, after a signal.
async fn interrupted(session: &Session, run: &Run) -> Failure {
    let failure = Failure::interrupted("interrupted: nothing was sent");
    let failure = halted_again(run, "interrupted by the user", failure).await;
    talk::say(&session.to_go_on(run.id()));
    failure
}

/// Halts a run that was to go on, before anything is sent: what the store has done already is also for other processes.
async fn halted_again(run: &Run, reason: &str, failure: Failure) -> Failure {
    match run.halt(reason).await {
        Ok(()) => failure,
        Err(error) => Failure {
            message: format!(
                "{failure}; this process has sent nothing, and run {} is not halted: another process may go on with it: {error}",
                run.id()
            ),
            ..failure
        },
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Halt {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let run = session.run(&self.run).await?;
        run.halt(&self.reason).await?;
        let report = run.report().await.map_err(|error| halted_unread(session, &run, error))?;
        let (counts, sent) = (report.counts, may_have_been_sent(&report));
        if counts.open() == 0 {
            talk::say(&format!("Run {} has ended already: nothing is left to halt.", run.id()));
            return Ok(Exit::Success);
        }
        talk::say(&format!(
            "Run {} is halted: nothing more is sent. Of {} machines: {} ended, {} may have been sent and go on, {} not sent. {}",
            run.id(),
            counts.machines(),
            counts.machines() - counts.open(),
            sent,
            counts.open() - sent,
            session.to_go_on(run.id())
        ));
        Ok(Exit::Success)
    }
}

/// Returns the failure of a halt that is stored, of a run whose state cannot be read.
fn halted_unread(session: &Session, run: &Run, error: defender_fleet::Error) -> Failure {
    let (id, command) = (run.id(), session.command(&format!("report {}", run.id())));
    let failure = Failure::from(error);
    let message = format!(
        "run {id} is halted, and nothing more is sent. Its state cannot be read: {failure}; {command} reads it again"
    );
    Failure { message, ..failure }
}

impl Retry {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let run = session.run(&self.run).await?;
        let counts = run.summary().await?.counts;
        let (rows, state) = if self.unknown {
            (RetryRows::Unknown, "whose outcome is unknown")
        } else {
            (RetryRows::Failed, "that failed")
        };
        let machines = run.retryable(rows).await?;
        let number = u32::try_from(machines.len()).unwrap_or(u32::MAX);
        let left = if self.unknown { 0 } else { counts.failed.saturating_sub(number) };
        if left > 0 {
            talk::say(&format!(
                "{} failed after an attempt whose outcome is unknown, which may still take effect: {} does them again.",
                talk::counted(size(left), "machine"),
                session.command(&format!("retry {} --unknown", run.id()))
            ));
        }
        if number == 0 {
            let other = if left > 0 { "other " } else { "" };
            talk::say(&format!("Run {} has no {other}machine {state}. Nothing was sent.", run.id()));
            return Ok(exit_of(&run, &run.report().await?));
        }
        if self.unknown {
            talk::warn(
                "the first request may still take effect, so that an action may be done twice; look at the machines first",
            );
        }
        let open = counts.planned + counts.sending;
        if open > 0 {
            let (again, open) = (talk::counted(size(number), "machine"), talk::counted(size(open), "machine"));
            talk::say(&format!("The run also goes on: {again} again, and {open} that are not done."));
        }
        let mut signals = Signals::listen()?;
        confirm_open(&mut signals, &run, number + open, self.confirmed).await?;
        let begun = async {
            // Of another process more rows may have ended since.
            run.retry_only(rows, &machines).await?;
            session.fleet.resume(&self.run).await
        };
        let (begun, is_interrupted) = signals.through(begun).await;
        if is_interrupted {
            return Err(interrupted(session, &run).await);
        }
        let run = begun.inspect_err(|_| talk::say(&session.to_go_on(&self.run)))?;
        follow(session, output, run, signals).await
    }
}

impl ReportCommand {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let Some(run) = self.run else {
            print_runs(session, output, self.limit).await?;
            return Ok(Exit::Success);
        };
        let run = session.run(&run).await?;
        let report = run.report().await?;
        let exit = exit_of_printed(exit_of(&run, &report), print(output, &report));
        say_halt(session, &report, run.id());
        Ok(exit)
    }
}

pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    RunId::new(text.trim()).ok_or_else(|| "not the id of a run; `defender report` lists the runs".to_owned())
}
