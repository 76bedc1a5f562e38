//! Writes the Rust blocks of the pages that have unit tests into a file, since a doctest does not compile them: `tests/unit_tests.rs`
//! includes that file, and so runs them.

use std::{env, fmt::Write, path::Path};

use xtask::markdown::{blocks, pages};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../..").canonicalize()?;
    let mut modules = String::new();
    for page in pages(&root) {
        println!("cargo::rerun-if-changed={}", page.display());
        let name = page.strip_prefix(&root)?.with_extension("").to_string_lossy().to_ascii_lowercase();
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let text = std::fs::read_to_string(&page)?;
        let has_tests = |text: &str| text.contains("#[test]") || text.contains("#[tokio::test");
        for block in blocks(&text).iter().filter(|block| block.language() == "rust" && has_tests(block.text)) {
            writeln!(modules, "mod {name}_line_{} {{\n{}}}", block.line, block.text)?;
        }
    }
    std::fs::write(Path::new(&env::var("OUT_DIR")?).join("unit_tests.rs"), modules)?;
    Ok(())
}
