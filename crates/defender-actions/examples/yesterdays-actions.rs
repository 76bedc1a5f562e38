//! Reads yesterday's actions (UTC) page by page and counts them by type and status: `cargo run --example yesterdays-actions`.
//!
//! At most one page is in memory.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

mod embedded;

use std::{collections::BTreeMap, process::ExitCode};

use defender_actions::{
    DefenderClient,
    model::MachineAction,
    transport::{Clock, SystemClock},
};
use embedded::{Embedded, Failure};
use futures_util::TryStreamExt;
use jiff::{Timestamp, tz::TimeZone};

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(async {
        let embedded = Embedded::with(|emulator| emulator.history(250).clock(embedded::yesterday())).await?;
        count(&embedded.defender, SystemClock::new().now()).await
    })
    .await
}

async fn count(defender: &DefenderClient, now: Timestamp) -> Result<(), Failure> {
    let today = now.to_zoned_datetime(TimeZone::UTC).start_of_day()?;
    let yesterday = today.yesterday()?;
    let created = MachineAction::CREATION_DATE_TIME_UTC;
    let of_yesterday = created.ge(yesterday.timestamp()).and(created.lt(today.timestamp()));

    let mut counts = BTreeMap::new();
    let mut pages = defender.actions().filter(of_yesterday).page_size(100).pages();
    while let Some(page) = pages.try_next().await? {
        println!("a page of {} actions", page.value.len());
        for action in page.value {
            *counts.entry(format!("{} {}", action.action_type, action.status)).or_insert(0) += 1;
        }
        // A row that cannot be read does not end the list.
        for row in page.unreadable {
            println!("cannot be read: {}", row.error);
        }
    }
    for (what, count) in counts {
        println!("{count:>4}  {what}");
    }
    Ok(())
}
