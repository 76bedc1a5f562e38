//! State of machines by the history of their actions: isolated, contained or restricted.
//!
//! No field of the API has it. `fold` computes it from the actions, and `now` reads them.

mod change;
mod fold;
mod machine_state;
mod now;

pub(crate) use self::fold::{Folded, MachineChanges};
pub use self::machine_state::{Isolation, MachineState, PendingChange, Restriction, StateNow};
