//! Removes an app restriction. Nothing is in here yet.

fn main() {}
