//! Packages and features that a crate is without, from `cargo tree`: cargo-deny sees one set of features for all crates.

use super::violation::Violation;
use xtask::{
    Failure,
    workspace::{Workspace, cargo, output},
};

const MODEL: &str = "defender-model knows no HTTP library and no async";
const BARE_TRANSPORT: &str = "defender-transport without features has no hyper, no rustls, and of tokio `sync` alone";
const NO_CLIENT: &str = "defender-azure-identity brings no HTTP client and no TLS of its own";

struct Rule {
    package: &'static str,
    features: &'static str,
    /// `hyper` stands for `hyper-util` too.
    absent: &'static [&'static str],
    /// Features of tokio that may be on.
    tokio: &'static [&'static str],
    invariant: &'static str,
}

const RULES: [Rule; 3] = [
    Rule {
        package: "defender-model",
        features: "--all-features",
        absent: &["http", "httparse", "h2", "hyper", "rustls", "tower", "tokio", "async", "futures", "smol", "mio"],
        tokio: &[],
        invariant: MODEL,
    },
    Rule {
        package: "defender-transport",
        features: "--no-default-features",
        absent: &[
            "h2",
            "hyper",
            "rustls",
            "tokio-util",
            "tokio-rustls",
            "async-std",
            "async-executor",
            "async-io",
            "mio",
        ],
        tokio: &["sync"],
        invariant: BARE_TRANSPORT,
    },
    Rule {
        package: "defender-azure-identity",
        features: "--all-features",
        absent: &["reqwest", "hyper", "rustls", "openssl", "native-tls"],
        tokio: &["sync"],
        invariant: NO_CLIENT,
    },
];

/// The violations in the trees.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for Rule { package, features, absent, tokio, invariant } in RULES {
        let mut tree = cargo(&workspace.root);
        // Of every target, so that the result is the same on every machine.
        tree.args(["tree", "--package", package, features, "--edges", "normal", "--target", "all"]);
        let printed = output(tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"]))?;
        found.extend(wrong(&printed, absent, tokio).map(|line| Violation {
            place: format!("cargo tree --package {package} {features} --edges normal"),
            found: format!("has `{line}`"),
            invariant,
        }));
    }
    Ok(found)
}

/// The lines of a tree, as `name v1.0.0 (path)|feature,feature`, with a package or a feature that is to be absent.
fn wrong<'t>(tree: &'t str, absent: &'t [&str], tokio: &'t [&str]) -> impl Iterator<Item = &'t str> {
    tree.lines().filter(move |line| {
        let name = line.split(' ').next().unwrap_or_default();
        let features = line.split_once('|').map_or("", |(_, features)| features).trim_end_matches(" (*)");
        let is_of =
            |family: &&str| name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        let is_more = |feature: &str| !feature.is_empty() && !tokio.contains(&feature);
        absent.iter().any(is_of) || (name == "tokio" && features.split(',').any(is_more))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_families_are_found() {
        let absent = ["hyper", "http"];
        let tree = "serde v1.0.0|std\nhttparsec v1.0.0|\nhyper-util v0.1.0|http1 (*)\nhttp v1.0.0 (/a)|";
        assert_eq!(wrong(tree, &absent, &[]).collect::<Vec<_>>(), ["hyper-util v0.1.0|http1 (*)", "http v1.0.0 (/a)|"]);
    }

    #[test]
    fn features_of_tokio_are_found() {
        let tree = "tokio v1.0.0|sync (*)\ntokio v1.0.0|rt,sync\ntokio v1.0.0|";
        assert_eq!(wrong(tree, &[], &["sync"]).collect::<Vec<_>>(), ["tokio v1.0.0|rt,sync"]);
    }
}
