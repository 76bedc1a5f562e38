//! What no crate may depend on, from `cargo tree`.

use super::Violation;
use crate::{
    Failure,
    workspace::{Workspace, cargo, output},
};

const MODEL: &str = "defender-model knows no HTTP library and no async";
const BARE_TRANSPORT: &str = "defender-transport without features has no hyper, no rustls, and of tokio `sync` alone";
const EMULATOR: &str = "defender-emulator knows neither model, auth nor actions";
const NO_EDGE: &str = "defender-model and defender-transport do not know each other";
const AUTH: &str = "defender-auth knows no machine";
const PURE: &str = "no reqwest, openssl or native-tls in the normal dependency tree of any crate";

/// One package of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: String,
    features: Vec<String>,
}

/// A tree of a package, and what is wrong with a node of it.
struct Rule {
    package: String,
    /// Which edges and features: arguments of `cargo tree`.
    args: &'static [&'static str],
    wrong: fn(&Node) -> bool,
    invariant: &'static str,
}

const ALL: &[&str] = &["--edges", "normal", "--all-features"];
const BARE: &[&str] = &["--edges", "normal", "--no-default-features"];

/// Every violation in the trees.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for rule in rules(workspace.packages.iter().map(|package| package.name.as_str())) {
        // Of every target, so that the answer is the same on every machine.
        let shape = ["--target", "all", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"];
        let mut tree = cargo(&workspace.root);
        tree.args(["tree", "--package", &rule.package]).args(rule.args).args(shape);
        found.extend(violations(&rule, &nodes(&output(&mut tree)?)));
    }
    Ok(found)
}

fn rules<'p>(packages: impl Iterator<Item = &'p str>) -> Vec<Rule> {
    let rule = |package: &str, args, wrong, invariant| Rule { package: package.to_owned(), args, wrong, invariant };
    let mut rules = vec![
        rule("defender-model", ALL, is_wire as fn(&Node) -> bool, MODEL),
        rule("defender-model", ALL, |node| node.name == "defender-transport", NO_EDGE),
        rule("defender-transport", BARE, is_wire_beyond_types, BARE_TRANSPORT),
        rule("defender-transport", ALL, |node| node.name == "defender-model", NO_EDGE),
        rule("defender-emulator", ALL, is_client, EMULATOR),
        rule("defender-auth", ALL, knows_machines, AUTH),
    ];
    rules.extend(packages.map(|package| rule(package, ALL, is_foreign_tls, PURE)));
    rules
}

/// The distinct packages that `cargo tree` printed.
fn nodes(tree: &str) -> Vec<Node> {
    let node = |line: &str| {
        let (package, features) = line.split_once('|')?;
        let features = features.trim_end_matches("(*)").trim().split(',').filter(|feature| !feature.is_empty());
        let name = package.split_whitespace().next()?.to_owned();
        Some(Node { name, features: features.map(str::to_owned).collect() })
    };
    let mut nodes: Vec<_> = tree.lines().filter_map(node).collect();
    nodes.sort_by(|a, b| (&a.name, &a.features).cmp(&(&b.name, &b.features)));
    nodes.dedup();
    nodes
}

fn violations(rule: &Rule, nodes: &[Node]) -> Vec<Violation> {
    let wrong = nodes.iter().filter(|node| (rule.wrong)(node));
    let violation = |node: &Node| Violation {
        place: format!("cargo tree --package {} {}", rule.package, rule.args.join(" ")),
        found: match node.features.as_slice() {
            [] => format!("holds `{}`", node.name),
            features => format!("holds `{}` with `{}`", node.name, features.join("`, `")),
        },
        invariant: rule.invariant,
    };
    wrong.map(violation).collect()
}

/// Whether a package is one of these, or one of its family: `hyper-util` is of `hyper`.
fn is_of(node: &Node, families: &[&str]) -> bool {
    let is =
        |family: &&str| node.name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    families.iter().any(is)
}

fn is_wire(node: &Node) -> bool {
    is_of(node, &["http", "httparse", "h2", "hyper", "rustls", "tower"]) || is_async(node)
}

fn is_async(node: &Node) -> bool {
    is_of(node, &["tokio", "async", "futures", "smol", "mio", "polling"])
}

/// The transport is written in `http`'s types and in async traits, which are neither a wire nor a runtime.
fn is_wire_beyond_types(node: &Node) -> bool {
    match node.name.as_str() {
        "tokio" => node.features.iter().any(|feature| feature != "sync"),
        _ => is_of(node, &["h2", "hyper", "rustls", "tokio", "async-std", "async-executor", "async-io", "smol", "mio"]),
    }
}

fn is_client(node: &Node) -> bool {
    is_of(node, &["defender-model", "defender-auth", "defender-actions"])
}

fn knows_machines(node: &Node) -> bool {
    is_of(node, &["defender-model", "defender-actions"])
}

/// `openssl-probe` finds where the certificates are and is no OpenSSL.
fn is_foreign_tls(node: &Node) -> bool {
    ["reqwest", "openssl", "openssl-sys", "native-tls", "tokio-native-tls", "hyper-tls"].contains(&node.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rules of `invariant` find in a tree of `package`.
    fn found(package: &str, invariant: &str, tree: &str) -> Vec<String> {
        let rules = rules([package].into_iter());
        let rules = rules.iter().filter(|rule| rule.package == package && rule.invariant == invariant);
        rules.flat_map(|rule| violations(rule, &nodes(tree))).map(|violation| violation.found).collect()
    }

    #[test]
    fn a_tree_is_read_with_its_features() {
        let tree = "a v1.0.0 (/x/a)|\ntokio v1.48.0|default,sync\nserde_derive v1.0.0 (proc-macro)|default (*)\n\ntokio v1.48.0|default,sync";
        let node = |name: &str, features: &[&str]| Node {
            name: name.to_owned(),
            features: features.iter().map(|&feature| feature.to_owned()).collect(),
        };
        assert_eq!(
            nodes(tree),
            [node("a", &[]), node("serde_derive", &["default"]), node("tokio", &["default", "sync"])]
        );
    }

    #[test]
    fn the_model_has_neither_http_nor_async() {
        for name in [
            "http",
            "http-body",
            "hyper",
            "hyper-util",
            "tokio",
            "tokio-rustls",
            "rustls",
            "async-trait",
            "defender-transport",
        ] {
            let invariant = if name == "defender-transport" { NO_EDGE } else { MODEL };
            assert_eq!(found("defender-model", invariant, &format!("{name} v1.0.0|")), [format!("holds `{name}`")]);
        }
        assert!(found("defender-model", MODEL, "serde v1.0.0|std\njiff v0.2.0|std\nhttparsec v1.0.0|").is_empty());
    }

    #[test]
    fn the_bare_transport_has_no_wire_and_no_runtime() {
        for line in
            ["hyper v1.0.0|", "hyper-util v0.1.0|", "rustls-pki-types v1.0.0|", "tokio v1.0.0|rt,sync", "mio v1.0.0|"]
        {
            assert_eq!(found("defender-transport", BARE_TRANSPORT, line).len(), 1, "{line}");
        }
        let fine = "tokio v1.0.0|sync\nhttp v1.0.0|std\nasync-trait v0.1.0 (proc-macro)|\nhttp-body v1.0.0|";
        assert!(found("defender-transport", BARE_TRANSPORT, fine).is_empty());
        assert_eq!(found("defender-transport", NO_EDGE, "defender-model v0.1.0|").len(), 1);
    }

    #[test]
    fn the_emulator_shares_nothing_with_the_client() {
        for name in ["defender-model", "defender-auth", "defender-actions"] {
            assert_eq!(found("defender-emulator", EMULATOR, &format!("{name} v0.1.0 (/x)|")).len(), 1, "{name}");
        }
        assert!(found("defender-emulator", EMULATOR, "defender-transport v0.1.0 (/x)|tokio").is_empty());
    }

    #[test]
    fn auth_knows_no_machine() {
        assert_eq!(found("defender-auth", AUTH, "defender-model v0.1.0 (/x)|").len(), 1);
    }

    #[test]
    fn no_crate_has_another_tls() {
        for name in ["reqwest", "openssl", "openssl-sys", "native-tls"] {
            assert_eq!(found("anything", PURE, &format!("{name} v1.0.0|default")).len(), 1, "{name}");
        }
        assert!(found("anything", PURE, "openssl-probe v0.2.0|\nrustls-native-certs v0.8.0|").is_empty());
    }
}
