//! The `cargo add` lines of a README.
//!
//! They stand in blocks of `sh`, under a comment that is their title. A blank line or another comment ends them.

/// One dependency of a `cargo add` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addition {
    /// Name of the package, without a version.
    pub(super) package: String,
    /// The arguments behind `cargo add` for this package alone.
    pub(super) arguments: Vec<String>,
}

/// The titles of all blocks with such lines.
pub(super) fn titles(readme: &str) -> Vec<&str> {
    recipes(readme).into_iter().map(|(title, _)| title).collect()
}

/// The dependencies under a title.
pub(super) fn additions(readme: &str, title: &str) -> Result<Vec<Addition>, String> {
    let found = recipes(readme).into_iter().find(|(found, _)| *found == title);
    let (_, lines) = found.ok_or_else(|| format!("it has no `cargo add` line under `# {title}`"))?;
    Ok(lines.into_iter().flat_map(of_line).collect())
}

const NO_TITLE: &str = "without a title";

/// Each title with its lines, without their `cargo add`.
fn recipes(readme: &str) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    let (mut inside, mut title) = (false, NO_TITLE);
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```sh" || line == "```bash";
            title = NO_TITLE;
        } else if line.is_empty() {
            title = NO_TITLE;
        } else if let Some(comment) = line.strip_prefix("# ").filter(|_| inside) {
            title = comment;
        } else if let Some(arguments) = line.strip_prefix("cargo add ").filter(|_| inside) {
            match all.last_mut().filter(|(last, _)| *last == title) {
                Some((_, lines)) => lines.push(arguments),
                None => all.push((title, vec![arguments])),
            }
        }
    }
    all
}

/// The dependencies of a line. Its options hold for each.
fn of_line(line: &str) -> Vec<Addition> {
    let (mut packages, mut options) = (Vec::new(), Vec::new());
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            packages.push(word);
            continue;
        }
        options.push(word.to_owned());
        if word == "--features" {
            options.extend(words.next().map(str::to_owned));
        }
    }
    let addition = |package: &str| Addition {
        package: package.split('@').next().unwrap_or(package).to_owned(),
        arguments: [package.to_owned()].into_iter().chain(options.clone()).collect(),
    };
    packages.into_iter().map(addition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# a\n```sh\n# one\ncargo add b c@1\ncargo add --dev d --features e,f\n\n# two\ncargo add g\n```\n\
                          cargo add h\n```sh\ncargo add i\n```\n";

    #[test]
    fn lines_belong_to_their_title() {
        assert_eq!(titles(README), ["one", "two", "without a title"]);
        let one = additions(README, "one").unwrap();
        let arguments: Vec<_> = one.iter().map(|addition| addition.arguments.join(" ")).collect();
        assert_eq!(arguments, ["b", "c@1", "d --dev --features e,f"]);
        assert_eq!(one.iter().map(|addition| addition.package.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
        assert!(additions(README, "three").unwrap_err().contains("`# three`"));
    }
}
