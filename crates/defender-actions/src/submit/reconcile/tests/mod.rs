//! The rules of *Whose action is this?* against a model of them, in worlds of virtual time.
//!
//! [`model`] is written from the design and shares no code with the implementation. Every decision of a [`world`] is made by both,
//! and [`judge`] knows the real events.

mod check;
mod course;
mod exhaustive;
mod implementation;
mod judge;
mod model;
mod named;
mod properties;
mod random;
mod real;
mod rules;
mod run;
mod service;
mod shrink;
mod tables;
mod transport;
mod world;
