//! The action of a plan: one of all actions of the service, as data.

use std::time::Duration;

use defender_actions::{
    BoxFuture, Error, MachineHandle, Preflight, Submitted,
    model::{
        Action, ActionInfo, CollectInvestigationPackage, Isolate, IsolationType, LiveResponse, Offboard,
        RestrictCodeExecution, RunAntiVirusScan, StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of one request of an action.
#[derive(Clone, Debug)]
pub(crate) struct RequestSettings {
    /// Key of the entry in the journal.
    pub(crate) key: String,
    pub(crate) actor: Option<String>,
    pub(crate) ticket: Option<String>,
    /// Time limit of the call, with its queue.
    pub(crate) timeout: Duration,
}

macro_rules! fleet_actions {
    ($($action:ident),+ $(,)?) => {
        /// Action of a plan.
        ///
        /// ```
        /// use defender_actions::model::UnrestrictCodeExecution;
        /// use defender_fleet::FleetAction;
        ///
        /// let action = FleetAction::from(UnrestrictCodeExecution::new("INC-4711: cleaned and validated")?);
        /// assert_eq!(action.action_type(), "UnrestrictCodeExecution");
        /// # Ok::<(), defender_actions::model::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "body")]
        #[non_exhaustive]
        pub enum FleetAction {
            $(
                #[doc = concat!("See [`", stringify!($action), "`](defender_actions::model::", stringify!($action), ").")]
                $action($action),
            )+
        }

        $(
            impl From<$action> for FleetAction {
                fn from(action: $action) -> Self {
                    Self::$action(action)
                }
            }
        )+

        impl FleetAction {
            /// Returns the `type` of the action in records.
            #[must_use]
            pub const fn action_type(&self) -> &'static str {
                match self {
                    $(Self::$action(_) => <$action as Action>::TYPE,)+
                }
            }

            /// Returns the facts of the action.
            #[must_use]
            pub const fn info(&self) -> ActionInfo {
                match self {
                    $(Self::$action(_) => ActionInfo::of::<$action>(),)+
                }
            }

            /// Returns the comment.
            #[must_use]
            pub fn comment(&self) -> &str {
                match self {
                    $(Self::$action(action) => action.comment.as_str(),)+
                }
            }

            /// Returns the body of the request as JSON.
            #[must_use]
            pub fn body(&self) -> Value {
                let body = match self {
                    $(Self::$action(action) => serde_json::to_value(action),)+
                };
                body.unwrap_or_default()
            }

            /// Adds the permissions of the action to a check of the token.
            pub(crate) fn preflight(&self, preflight: Preflight) -> Preflight {
                match self {
                    $(Self::$action(_) => preflight.action::<$action>(),)+
                }
            }

            /// Sends the action to a machine.
            pub(crate) fn send(&self, machine: &MachineHandle, settings: RequestSettings) -> BoxFuture<Result<Submitted, Error>> {
                match self {
                    $(Self::$action(action) => {
                        let mut request = machine.perform(action.clone()).key(settings.key).timeout(settings.timeout);
                        if let Some(actor) = settings.actor {
                            request = request.actor(actor);
                        }
                        if let Some(ticket) = settings.ticket {
                            request = request.ticket(ticket);
                        }
                        Box::pin(request.send())
                    })+
                }
            }
        }
    };
}

fleet_actions![
    CollectInvestigationPackage,
    Isolate,
    LiveResponse,
    Offboard,
    RestrictCodeExecution,
    RunAntiVirusScan,
    StopAndQuarantineFile,
    Unisolate,
    UnrestrictCodeExecution,
];

impl FleetAction {
    /// Returns the type of an isolation.
    pub(crate) fn isolation_type(&self) -> Option<&IsolationType> {
        match self {
            Self::Isolate(isolate) => Some(&isolate.isolation_type),
            _ => None,
        }
    }
}
