//! `defender plan` and `defender apply`: a plan as a file, which another person can read and approve.

use std::path::PathBuf;

use clap::Args;
use defender_fleet::Plan;

use super::{
    act::{SendOptions, send},
    decisions::{decisions, exit_of_left_out, summary},
    repeat::refuse_repeat,
    verb::Verb,
};
use crate::{
    failure::{Exit, Failure},
    output::{Output, talk},
    session::{Session, quoted},
};

const PLAN_EXAMPLES: &str = "\
Machines and their history are read, and nothing is changed. The plan lapses after an hour.

Examples:
  defender --tenant contoso plan isolate --tag ransomware --comment 'INC-4712' --out plan.json
  defender --tenant contoso plan unrestrict --csv hosts.csv:name --comment 'INC-4711' --wave 1,10,rest --halt-after 3 --out plan.json
  defender apply plan.json --approver jo@contoso.example --ticket CHG-12

Exit codes: 0 the plan is written, 2 it is written and a target was left out because it cannot be acted on, 4 sign-in or permission.";

const APPLY_EXAMPLES: &str = "\
A plan that was changed, has lapsed, was run already, or is for another tenant is refused. With --dry-run the plan is shown.

Examples:
  defender apply plan.json --dry-run
  defender apply plan.json
  defender apply plan.json --approver jo@contoso.example --ticket CHG-12 --yes -o csv > report.csv";

/// Makes a plan and writes it to a file.
#[derive(Args, Debug)]
#[command(after_help = PLAN_EXAMPLES, subcommand_value_name = "ACTION", subcommand_help_heading = "Actions")]
pub(super) struct PlanCommand {
    #[command(subcommand)]
    verb: Verb<Out>,
}

#[derive(Args, Debug)]
pub(super) struct Out {
    /// File of the plan, which only its owner can read
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs a plan of a file.
#[derive(Args, Debug)]
#[command(after_help = APPLY_EXAMPLES)]
pub(super) struct Apply {
    /// File of the plan
    plan: PathBuf,
    #[command(flatten)]
    options: SendOptions,
}

impl PlanCommand {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let (action, selection, Out { out }) = self.verb.parts()?;
        let plan = selection.resolve(session, action).await?;
        plan.save(&out)?;
        talk::say(&summary(&plan));
        output.print(&decisions(&plan))?;
        let apply = session.command(&format!("apply {}", quoted(&out.display().to_string())));
        talk::say(&format!("The plan is in {}. Nothing was sent. Run it by {apply}.", out.display()));
        Ok(exit_of_left_out(&plan))
    }
}

impl Apply {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let plan = Plan::load(&self.plan)?;
        session.agree_on_tenant(&plan.tenant, &format!("the plan {}", self.plan.display()))?;
        if !self.options.dry_run {
            refuse_repeat(session, &plan).await?;
        }
        send(session, output, plan, self.options).await
    }
}
