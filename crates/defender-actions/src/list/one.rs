//! The only machine of a list.

use std::ops::ControlFlow;

use defender_model::Machine;

use super::List;
use crate::{Error, ErrorKind, Request, machines::find::only};

impl List<Machine> {
    /// Returns the only machine of the list. If the list has several, the error is [`Ambiguous`](ErrorKind::Ambiguous), and
    /// [`Error::machines`] has the machines up to the first page with a second one.
    pub fn one(self) -> Request<Machine> {
        let (client, first) = (self.client.clone(), self.first_call());
        Request::new(&client, first, move |_, call| async move {
            let context = format!("the only machine of GET {}", self.path);
            let limit = call.timeout.unwrap_or(self.client.inner().total_timeout);
            let mut machines = Vec::new();
            let unreadable = self.within(limit).each_page(|page| {
                if let Some(row) = page.unreadable.into_iter().next() {
                    return ControlFlow::Break(Some(row.error));
                }
                machines.extend(page.value);
                if machines.len() > 1 { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
            });
            if let Some(Some(error)) = unreadable.await? {
                return Err(Error::new(ErrorKind::InvalidResponse).context(context).caused_by(error));
            }
            only(machines, Vec::new(), context).map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    error.message("the list has no machine").with_advice("correct the search, or repeat it later")
                }
                _ => error,
            })
        })
    }
}
