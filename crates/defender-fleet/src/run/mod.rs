//! Runs: an approved plan, carried out row by row.
//!
//! `handle` is a run, and `start` how runs begin and are found. `worker` is the loop of one worker, `wait` what it waits for, `follow` what it does
//! then; `attempt` is one row of it (`context`, `search`), whose errors `verdict` judges. `row` is the document of a row in the store, `event` what the loop reports.
//! `retry`, `revert` and `download` are what a person does with a run afterwards. The guard at departure is [`crate::guarded_journal`].

mod attempt;
mod claim_rows;
mod context;
mod download;
mod event;
mod follow;
mod handle;
mod retry;
mod revert;
mod row;
mod search;
mod start;
mod verdict;
mod wait;
mod worker;

pub(crate) use self::row::{RowDocument, open};
pub use self::{
    download::DownloadedRow,
    event::{RunEvent, RunEventKind, RunRow},
    handle::{Run, RunSummary},
    retry::RetryRows,
    revert::Revert,
    row::{RowAttempt, RowError, RowOrigin},
};
