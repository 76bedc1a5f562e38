//! The layers and the test kit, seen from outside: one binary, since linking takes longer than running.

mod call_stats;
mod corpus;
mod deadline;
mod faulty;
mod paced;
mod tape;
mod tower;
mod traced;
