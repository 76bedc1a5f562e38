//! Rust blocks of the project's pages, as doctests. The README of a crate is not here: it is the crate's own documentation.
//!
//! The tests of this package check the other blocks and the commands of all pages.

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
    readme: "README.md",
}
