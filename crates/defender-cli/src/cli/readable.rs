//! Lists of which a row cannot be read.

use defender_actions::{BoxStream, Error};
use futures_util::StreamExt;

use crate::{
    failure::{Exit, Failure},
    output::talk,
};

/// Reads the next row of a list. Rows that cannot be read are warned of, and the command fails in the end; the other rows are not lost.
pub(super) async fn next_row<T>(list: &mut BoxStream<Result<T, Error>>, exit: &mut Exit) -> Result<Option<T>, Failure> {
    loop {
        match list.next().await {
            Some(Err(error)) if error.row().is_some() => {
                talk::warn(&format!("left out: {error}"));
                *exit = (*exit).max(Exit::Failed);
            }
            Some(row) => return Ok(Some(row?)),
            None => return Ok(None),
        }
    }
}
