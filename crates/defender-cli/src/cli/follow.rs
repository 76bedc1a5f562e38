//! The way of a run until its end, or until Ctrl-C.

use defender_actions::BoxStream;
use defender_fleet::{Error as FleetError, ErrorKind as FleetKind, FleetAction, Report, Run, RunEvent};
use futures_util::StreamExt;

use super::{
    long_wait::{LongWait, hint},
    report::{exit_of, print, say_halt},
    signals::Signals,
};
use crate::{
    failure::{Exit, Failure},
    output::{Output, exit_of_printed, progress::Progress, talk},
    session::Session,
};

/// Reason for the end of the work on a run.
enum End {
    /// Nothing is left to do.
    Done,
    /// A person stopped it. The run is halted.
    Interrupted,
    Failed(Failure),
    /// The plan lapsed before anything was sent. The run does not go on.
    Lapsed(Failure),
}

/// Works on a run, shows its progress, and prints its report.
///
/// The signals are those of the confirmation: none between it and the run is lost.
pub(super) async fn follow(session: &Session, output: Output, run: Run, mut signals: Signals) -> Result<Exit, Failure> {
    let id = run.id().clone();
    talk::say(&format!("Run {id} in tenant {}", run.tenant()));
    let waves = run.approved().plan.rows.iter().map(|row| row.wave + 1).max().unwrap_or(0);
    let mut progress = Progress::new(waves);
    let end = work(session, &run, &mut progress, &mut signals).await;
    progress.finish();
    let report = reported(session, output, &run, &mut signals).await;
    match end {
        End::Done => {
            let (report, exit) = report.inspect_err(|_| {
                let command = session.command(&format!("report {id}"));
                talk::say(&format!("Nothing of run {id} is left to do. Its report: {command}"));
            })?;
            if report.counts.succeeded > 0 && has_files(&run) {
                let download = session.command(&format!("download {id} --to FOLDER"));
                talk::say(&format!("The files stay at the service until {download} fetches them."));
            }
            say_halt(session, &report, &id);
            Ok(exit)
        }
        End::Interrupted => {
            talk::say(&interrupted(session, &run, report.map(|(report, _)| report)));
            Ok(Exit::Interrupted)
        }
        End::Failed(failure) => {
            let exit = report.map_or_else(
                |unread| {
                    talk::error(&format!("the report of run {id} cannot be read: {unread}"));
                    Exit::Success
                },
                |(_, exit)| exit,
            );
            talk::say(&format!("Run {id} stopped. Once the cause is gone: {}", session.to_go_on(&id)));
            // The actions of the run say more than the reason why it stopped.
            let is_unknown = exit == Exit::Unknown;
            Err(Failure { exit: failure.exit.max(if is_unknown { Exit::Unknown } else { Exit::Success }), ..failure })
        }
        End::Lapsed(failure) => Err(failure),
    }
}

/// Returns the sentence about a run that a person interrupted. Another process may have resumed it since.
fn interrupted(session: &Session, run: &Run, report: Result<Report, Failure>) -> String {
    let id = run.id();
    match report {
        Ok(Report { halted: None, .. }) => {
            let command = session.command(&format!("report {id}"));
            return format!(
                "Run {id} was interrupted here, and is not halted: it was resumed meanwhile. Its report: {command}"
            );
        }
        Ok(_) => {}
        Err(failure) => talk::error(&failure.message),
    }
    format!("Run {id} was interrupted and is halted. {}", session.to_go_on(id))
}

/// Reads and prints the report, and returns it with the exit code, which is at least `Failed` if the report cannot be printed.
async fn reported(
    session: &Session,
    output: Output,
    run: &Run,
    signals: &mut Signals,
) -> Result<(Report, Exit), Failure> {
    let report = tokio::select! {
        biased;
        () = signals.next() => return Err(Failure::interrupted("interrupted: the report was not read")),
        report = run.report() => report?,
    };
    let printed = print(output, &report);
    let is_printed = printed.is_ok();
    let exit = exit_of_printed(exit_of(run, &report), printed);
    if !is_printed {
        talk::say(&format!("The report again: {}", session.command(&format!("report {}", run.id()))));
    }
    Ok((report, exit))
}

/// Returns whether the action of the run has files as its result.
fn has_files(run: &Run) -> bool {
    matches!(run.approved().plan.action, FleetAction::CollectInvestigationPackage(_) | FleetAction::LiveResponse(_))
}

async fn work(session: &Session, run: &Run, progress: &mut Progress, signals: &mut Signals) -> End {
    let mut events = run.events();
    let mut wait = LongWait::new(session.clock());
    let mut is_interrupted = false;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => {
                if is_interrupted {
                    progress.above("Stopped waiting. What was sent goes on at the service.");
                    return End::Interrupted;
                }
                is_interrupted = true;
                progress.above("Interrupted: nothing more is sent. Waiting for what was sent; Ctrl-C again stops the wait.");
                if let Err(error) = run.halt("interrupted by the user").await {
                    let why = format!("interrupted, and the run is not halted: another process may go on with it: {error}");
                    return End::Failed(Failure::interrupted(why));
                }
            }
            next = next(&mut events, &mut wait) => match next {
                Next::Event(event) => progress.event(&event),
                Next::LongWait => {
                    if let Some(hint) = hint(session, run).await {
                        progress.above(&hint);
                    }
                }
                Next::Failed(error) if is_interrupted => {
                    progress.above(&format!("What was sent is no longer waited for: {error}"));
                    return End::Interrupted;
                }
                Next::Failed(error) if error.kind() == FleetKind::PlanLapsed => return End::Lapsed(error.into()),
                Next::Failed(error) => return End::Failed(error.into()),
                Next::End if is_interrupted => return End::Interrupted,
                Next::End => return End::Done,
            },
        }
    }
}

/// Next event of a run, or of the wait for one.
enum Next {
    Event(RunEvent),
    /// Nothing has happened for long.
    LongWait,
    Failed(FleetError),
    End,
}

async fn next(events: &mut BoxStream<Result<RunEvent, FleetError>>, wait: &mut LongWait) -> Next {
    tokio::select! {
        biased;
        event = events.next() => {
            wait.begin_anew();
            match event {
                Some(Ok(event)) => Next::Event(event),
                Some(Err(error)) => Next::Failed(error),
                None => Next::End,
            }
        }
        () = wait.is_long() => Next::LongWait,
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc, time::Duration};

    use defender_actions::{
        DefenderClient,
        auth::ClientSecretCredential,
        model::{Isolate, IsolationType, LiveResponse, LiveResponseCommand},
        transport::{Clock, testing::ManualClock},
    };
    use defender_emulator::Emulator;
    use defender_fleet::{Fleet, RunEventKind, Stores, Targets, Tenant, Tenants};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Returns a session on an emulator with the clock.
    fn session(clock: &ManualClock) -> (Session, Arc<Emulator>) {
        let emulator = Arc::new(Emulator::builder().clock(Arc::new(clock.clone())).in_process().unwrap());
        let (service, of_tenant) = (Arc::clone(&emulator), clock.clone());
        let tenant = Tenant::new("contoso", emulator.tenant_id(), move || {
            let (tenant, client, secret) = (service.tenant_id(), service.client_id(), service.client_secret());
            let builder = DefenderClient::builder().credential(ClientSecretCredential::new(tenant, client, secret));
            let builder =
                builder.transport(service.transport()).base_url(service.base_url()).authority(service.authority());
            Ok(builder.audience(service.audience()).clock(of_tenant.clone()))
        });
        let fleet = Fleet::new(Tenants::default().with(tenant), Stores::memory(clock.clone()));
        (Session::of_test(fleet, Arc::new(clock.clone())), emulator)
    }

    /// Starts an action on two machines, of which the first one is off for five hours. Works on the run until its end, and returns each hint with the time
    /// since the last event, and the time of the end since the start.
    async fn hints(action: impl Into<FleetAction>) -> (Vec<(Duration, String)>, Duration) {
        let clock = ManualClock::new();
        let (session, emulator) = session(&clock);
        emulator.machine_offline(emulator.machine_ids()[0]);
        let work = async {
            let targets = Targets::ids(emulator.machine_ids().into_iter().take(2));
            let plan = session.fleet.plan("contoso").unwrap().targets(targets).action(action).even_if_inactive();
            let plan = plan.resolve().await.unwrap().approved_by("jo", "CHG-12").unwrap();
            let run = session.fleet.start(&plan).await.unwrap();
            let (mut events, mut wait) = (run.events(), LongWait::new(session.clock()));
            let (mut hints, mut last) = (Vec::new(), Duration::ZERO);
            let started = clock.elapsed();
            loop {
                match next(&mut events, &mut wait).await {
                    Next::LongWait => {
                        hints.push((clock.elapsed().saturating_sub(last), hint(&session, &run).await.unwrap()));
                    }
                    Next::Event(event) => {
                        last = clock.elapsed();
                        if matches!(event.kind, RunEventKind::Ended { .. }) {
                            return (hints, last.saturating_sub(started));
                        }
                    }
                    Next::Failed(error) => panic!("{error}"),
                    Next::End => panic!("no end"),
                }
            }
        };
        let online = async {
            clock.sleep(HOUR * 5).await;
            emulator.machine_online(emulator.machine_ids()[0]);
            pending::<()>().await;
        };
        clock
            .run(async {
                tokio::select! { ended = work => ended, () = online => unreachable!("it has no end") }
            })
            .await
    }

    #[tokio::test]
    async fn machine_that_is_off_is_named_once() {
        let (hints, ended) = hints(Isolate::new("INC-4711", IsolationType::Full).unwrap()).await;
        let [(after, hint)] = &hints[..] else { panic!("{hints:?}") };
        assert_eq!(*after, HOUR);
        for text in [
            "Nothing has changed for an hour: 1 machine has not ended Isolate: ws-eng-04.contoso.example.",
            "after about three days",
            "press Ctrl-C twice, which halts the run; `defender report ",
            "and `defender resume ",
        ] {
            assert!(hint.contains(text), "{hint}");
        }
        assert!(ended > HOUR * 5, "{ended:?}");
    }

    #[tokio::test]
    async fn live_response_waits_for_two_hours() {
        let session =
            LiveResponse::new("INC-4711", [LiveResponseCommand::GetFile { path: "/var/log/syslog".into() }]).unwrap();
        let (hints, ended) = hints(session).await;
        assert!(hints.len() == 1 && hints[0].1.contains("LiveResponse: ws-eng-04"), "{hints:?}");
        assert!(hints[0].1.contains("after about two hours"), "{hints:?}");
        assert!(ended < HOUR * 3, "{ended:?}");
    }

    /// A new plan is the way, so that no command to go on is shown.
    #[tokio::test]
    async fn lapsed_run_does_not_go_on() {
        let clock = ManualClock::new();
        let (session, _emulator) = session(&clock);
        let end = async {
            let plan = session.fleet.plan("contoso").unwrap().targets(Targets::names(["ws-eng-04.contoso.example"]));
            let plan = plan.action(Isolate::new("INC-4711", IsolationType::Full).unwrap()).resolve().await.unwrap();
            let run = session.fleet.start(&plan.approved_by("jo", "CHG-12").unwrap()).await.unwrap();
            clock.sleep(HOUR * 2).await;
            work(&session, &run, &mut Progress::new(1), &mut Signals::listen().unwrap()).await
        };
        let end = clock.run(end).await;
        assert!(matches!(&end, End::Lapsed(failure) if failure.message.contains("make another plan")));
    }
}
