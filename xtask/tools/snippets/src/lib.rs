//! Rust blocks of the project's pages, as doctests. The README of a crate is not here: it is the crate's own documentation.
//!
//! The tests of this package check the other blocks and the commands of all pages, and run the unit tests in them, which a doctest
//! leaves out.

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        /// Pages whose Rust blocks are doctests of this package, by their paths from the root of the project.
        pub const PAGES: &[&str] = &[$($path),*];

        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../", $path))]
            mod $name {}
        )*
    };
}

pages! {
    clouds_and_proxies: "docs/guides/clouds-and-proxies.md",
    credentials: "docs/guides/credentials.md",
    first_call: "docs/guides/first-call.md",
    from_other_tools: "docs/guides/from-other-tools.md",
    live_response: "docs/guides/live-response.md",
    logging_and_metrics: "docs/guides/logging-and-metrics.md",
    many_machines: "docs/guides/many-machines.md",
    many_tenants: "docs/guides/many-tenants.md",
    permissions: "docs/guides/permissions.md",
    readme: "README.md",
    testing: "docs/guides/testing.md",
    troubleshooting: "docs/guides/troubleshooting.md",
    waiting_and_recovery: "docs/guides/waiting-and-recovery.md",
}
