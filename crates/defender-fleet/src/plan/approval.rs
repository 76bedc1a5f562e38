//! The approval of a plan.

use defender_transport::{Clock, SystemClock};

use super::{ApprovedPlan, Plan};
use crate::{Error, ErrorKind};

impl Plan {
    /// Approves the plan, with the person who approves it and the ticket of the change. Both are in the report of the run and in its
    /// journal. The time of the approval is that of this machine.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if the approver or the ticket is blank.
    pub fn approved_by(self, approver: impl Into<String>, ticket: impl Into<String>) -> Result<ApprovedPlan, Error> {
        let given = |what: &str, text: String| match text.trim() {
            "" => {
                Err(Error::new(ErrorKind::Configuration, format!("the {what} of the plan is blank; name the {what}")))
            }
            given => Ok(given.to_owned()),
        };
        Ok(ApprovedPlan {
            approver: given("approver", approver.into())?,
            ticket: given("ticket", ticket.into())?,
            approved_at: SystemClock::new().now(),
            plan: self,
        })
    }
}
