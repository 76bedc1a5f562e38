//! What the project does with itself. Nothing is in here yet.

fn main() {}
