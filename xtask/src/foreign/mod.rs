//! A server of the actions API that shares no habit with the client or the emulator.
//!
//! `server` is written from the facts about the service alone. It misbehaves in 30 % of the calls, counts every
//! arrival, and knows which record belongs to which submission.

mod clock;
mod dice;
mod server;
