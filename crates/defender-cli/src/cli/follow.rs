//! The way of a run until its end, or until Ctrl-C.

use defender_fleet::{Error as FleetError, FleetAction, Run};
use futures_util::StreamExt;

use super::{
    report::{exit_of, print},
    signals::Signals,
};
use crate::{
    failure::{Exit, Failure},
    output::{Output, progress::Progress, talk},
    session::Session,
};

/// Reason for the end of the work on a run.
enum End {
    /// Nothing is left to do.
    Done,
    /// A person stopped it. The run is halted.
    Interrupted,
    Failed(FleetError),
}

/// Works on a run, shows its progress, and prints its report.
pub(super) async fn follow(session: &Session, output: Output, run: Run) -> Result<Exit, Failure> {
    let id = run.id().clone();
    talk::say(&format!("Run {id} in tenant {}", run.tenant()));
    let waves = run.approved().plan.rows.iter().map(|row| row.wave + 1).max().unwrap_or(0);
    let mut progress = Progress::new(waves);
    let end = work(&run, &mut progress).await;
    progress.finish();
    let end = match end {
        Ok(end) => end,
        Err(failure) => {
            talk::say(&session.to_go_on(&id));
            return Err(failure);
        }
    };
    let report = run.report().await?;
    print(output, &report)?;
    match end {
        End::Done => {
            let exit = exit_of(&report);
            if report.counts.succeeded > 0 && has_files(&run) {
                let download = session.command(&format!("download {id} --to FOLDER"));
                talk::say(&format!("The files stay at the service until {download} fetches them."));
            }
            if let Some(reason) = &report.halted {
                talk::say(&format!("Run {id} is halted: {reason}. {}", session.to_go_on(&id)));
            }
            Ok(exit)
        }
        End::Interrupted => {
            talk::say(&format!("Run {id} was interrupted and is halted. {}", session.to_go_on(&id)));
            Ok(Exit::Interrupted)
        }
        End::Failed(error) => {
            talk::say(&format!("Run {id} stopped. Once the cause is gone: {}", session.to_go_on(&id)));
            Err(error.into())
        }
    }
}

/// Returns whether the action of the run has files as its result.
fn has_files(run: &Run) -> bool {
    matches!(run.approved().plan.action, FleetAction::CollectInvestigationPackage(_) | FleetAction::LiveResponse(_))
}

async fn work(run: &Run, progress: &mut Progress) -> Result<End, Failure> {
    let mut signals = Signals::listen()?;
    let mut events = run.events();
    let mut is_interrupted = false;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => {
                if is_interrupted {
                    progress.above("Stopped waiting. What was sent goes on at the service.");
                    return Ok(End::Interrupted);
                }
                is_interrupted = true;
                progress.above("Interrupted: nothing more is sent. Waiting for what was sent; Ctrl-C again stops the wait.");
                run.halt("interrupted by the user").await?;
            }
            event = events.next() => match event {
                Some(Ok(event)) => progress.event(&event),
                Some(Err(error)) => return Ok(End::Failed(error)),
                None if is_interrupted => return Ok(End::Interrupted),
                None => return Ok(End::Done),
            },
        }
    }
}
