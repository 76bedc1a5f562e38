//! Targets in the lines of a text.

use super::target::Target;

/// Reads the targets of a text, whose name is the first part of each place.
pub(super) fn read(name: &str, text: &[u8]) -> Vec<Target> {
    let mut targets = Vec::new();
    for (number, line) in (1_u64..).zip(text.split(|byte| *byte == b'\n')) {
        let source = format!("{name}:{number}");
        match std::str::from_utf8(line) {
            Ok(line) if line.trim().is_empty() || line.trim_start().starts_with('#') => {}
            Ok(line) => targets.push(Target::by_content(line, source)),
            Err(_) => {
                targets.push(Target::invalid(String::from_utf8_lossy(line), source, "the line is not text in UTF-8"));
            }
        }
    }
    targets
}
