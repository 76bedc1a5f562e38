//! What the public signatures of a crate may be made of: read from its syntax, so that neither an import nor a new name hides
//! a type.
//!
//! What is `pub` is public, since the lint `unreachable_pub` is on. What a macro makes is not seen here; the rules of
//! `source.rs` see its words.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Field, Fields, File, ImplItem, Item, ItemImpl, Path, Signature, TraitItem, Type, UseTree,
    visit::{self, Visit},
};

use self::names::{Names, Types, denies_missing, is_public, is_test};
use super::{
    Violation,
    source::{read, rust_files, within},
};
use crate::{
    Failure,
    workspace::{Package, Workspace},
};

const FOREIGN: &str = "a public signature is made of std, of our own types, and of those that the crate's users are told of: no \
                       type of hyper, rustls or oauth2, and of tokio nothing but the writer that the facade takes";
const MISSING: &str = "each impl of `Transport` and of `Clock` denies clippy::missing_trait_methods, so that none forgets to hand on \
                       a function that the trait gets later";

/// The crates that each crate's public signatures may name, beside std and its own siblings.
const ALLOWED: &[(&str, &[&str])] = &[
    ("defender-model", &["jiff", "serde", "serde_json"]),
    ("defender-transport", &["bytes", "futures_core", "http", "http_body", "jiff"]),
    ("defender-auth", &["bytes", "http", "jiff"]),
    // The streams are named through futures-util, which has them from futures-core; what is downloaded goes to any writer of
    // tokio's.
    ("defender-actions", &["bytes", "futures_core", "futures_util", "http", "jiff", "serde", "serde_json", "tokio"]),
];

/// Every violation in the public signatures of the crates that others use.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in workspace.crates() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else { continue };
        let mut files = Vec::new();
        for file in rust_files(&package.folder.join("src"))? {
            let path = within(&package.folder, &file);
            let syntax = syn::parse_file(&read(&file)?).map_err(|error| Failure::broken(file.display(), error))?;
            files.push((path, syntax));
        }
        found.extend(check_crate(&package.name, &dependencies(package), allowed, &files));
    }
    Ok(found)
}

/// The crates that the source can name.
fn dependencies(package: &Package) -> BTreeSet<String> {
    let names = package.dependencies.iter().filter(|dependency| dependency.kind == "normal");
    names.map(|dependency| dependency.name.replace('-', "_")).collect()
}

fn check_crate(
    krate: &str,
    dependencies: &BTreeSet<String>,
    allowed: &[&str],
    files: &[(String, File)],
) -> Vec<Violation> {
    let mut types = Types::default();
    for (_, file) in files {
        types.declare(&file.items);
    }
    let mut found = Vec::new();
    for (path, file) in files {
        let mut names = Names { dependencies, imported: BTreeMap::new() };
        names.declare(&file.items);
        let mut reader = Reader { names: &names, types: &types, allowed, found: Vec::new() };
        reader.items(&file.items);
        found.extend(reader.found.into_iter().map(|(item, found, invariant)| Violation {
            place: format!("crates/{krate}/{path}: {item}"),
            found,
            invariant,
        }));
    }
    found
}

/// Reads the public items of a file.
struct Reader<'a> {
    names: &'a Names<'a>,
    types: &'a Types,
    allowed: &'a [&'a str],
    found: Vec<(String, String, &'static str)>,
}

impl Reader<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(item) if is_public(&item.vis) => self.signature("", &item.sig),
                Item::Struct(item) if is_public(&item.vis) => {
                    self.part(&item.ident.to_string(), |foreign| foreign.visit_generics(&item.generics));
                    self.fields(&item.ident.to_string(), &item.fields, false);
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    self.part(&item.ident.to_string(), |foreign| foreign.visit_generics(&item.generics));
                    for variant in &item.variants {
                        self.fields(&format!("{}::{}", item.ident, variant.ident), &variant.fields, true);
                    }
                }
                Item::Trait(item) if is_public(&item.vis) => {
                    let name = item.ident.to_string();
                    self.part(&name, |foreign| {
                        foreign.visit_generics(&item.generics);
                        item.supertraits.iter().for_each(|bound| foreign.visit_type_param_bound(bound));
                    });
                    for item in &item.items {
                        match item {
                            TraitItem::Fn(item) => self.signature(&format!("{name}::"), &item.sig),
                            item => self.part(&name, |foreign| foreign.visit_trait_item(item)),
                        }
                    }
                }
                Item::Type(item) if is_public(&item.vis) => {
                    self.part(&item.ident.to_string(), |foreign| foreign.visit_item_type(item));
                }
                Item::Const(item) if is_public(&item.vis) => {
                    self.part(&item.ident.to_string(), |foreign| foreign.visit_type(&item.ty));
                }
                Item::Use(item) if is_public(&item.vis) => self.reexport(&item.tree),
                Item::Impl(item) if !is_test(&item.attrs) => self.implementation(item),
                Item::Mod(item) if !is_test(&item.attrs) => {
                    self.items(item.content.as_ref().map_or(&[], |(_, items)| items));
                }
                _ => {}
            }
        }
    }

    fn fields(&mut self, of: &str, fields: &Fields, all: bool) {
        let seen = |field: &&Field| all || is_public(&field.vis);
        for field in fields.iter().filter(seen) {
            let name = field.ident.as_ref().map_or_else(|| of.to_owned(), |name| format!("{of}.{name}"));
            self.part(&name, |foreign| foreign.visit_type(&field.ty));
        }
    }

    fn signature(&mut self, of: &str, signature: &Signature) {
        self.part(&format!("{of}{}", signature.ident), |foreign| foreign.visit_signature(signature));
    }

    fn reexport(&mut self, tree: &UseTree) {
        let first = match tree {
            UseTree::Path(path) => &path.ident,
            UseTree::Name(name) => &name.ident,
            UseTree::Rename(rename) => &rename.ident,
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.reexport(tree)),
            UseTree::Glob(_) => return,
        };
        self.part("pub use", |foreign| foreign.visit_path(&Path::from(first.clone())));
    }

    fn implementation(&mut self, item: &ItemImpl) {
        let own = match &*item.self_ty {
            Type::Path(own) => own.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default(),
            Type::Reference(_) => "&".to_owned(),
            _ => String::new(),
        };
        let Some((path, _)) = &item.trait_ else {
            if !self.types.is_private(&own) {
                self.inherent(&own, item);
            }
            return;
        };
        let name = path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if ["Transport", "Clock"].contains(&name.as_str()) && !item.attrs.iter().any(denies_missing) {
            self.found.push((
                format!("impl {name} for {own}"),
                "does not deny clippy::missing_trait_methods".to_owned(),
                MISSING,
            ));
        }
        if !self.types.is_private(&own) && !self.types.is_private(&name) {
            // The functions are the trait's, and what it calls its own types is seen.
            self.part(&format!("impl {name} for {own}"), |foreign| {
                foreign.visit_path(path);
                foreign.visit_type(&item.self_ty);
                foreign.visit_generics(&item.generics);
                let types = item.items.iter().filter(|item| matches!(item, ImplItem::Type(_)));
                types.for_each(|item| foreign.visit_impl_item(item));
            });
        }
    }

    fn inherent(&mut self, own: &str, item: &ItemImpl) {
        self.part(own, |foreign| foreign.visit_generics(&item.generics));
        for item in &item.items {
            match item {
                ImplItem::Fn(item) if is_public(&item.vis) => self.signature(&format!("{own}::"), &item.sig),
                ImplItem::Const(item) if is_public(&item.vis) => {
                    self.part(&format!("{own}::{}", item.ident), |foreign| foreign.visit_type(&item.ty));
                }
                _ => {}
            }
        }
    }

    /// Looks at a part of a public item, and keeps what it names and may not.
    fn part(&mut self, of: &str, look: impl FnOnce(&mut Foreign<'_>)) {
        let mut foreign = Foreign { names: self.names, allowed: self.allowed, found: BTreeSet::new() };
        look(&mut foreign);
        self.found.extend(foreign.found.into_iter().map(|name| (of.to_owned(), format!("names `{name}`"), FOREIGN)));
    }
}

/// The paths into crates that may not be named.
struct Foreign<'a> {
    names: &'a Names<'a>,
    allowed: &'a [&'a str],
    found: BTreeSet<String>,
}

impl Visit<'_> for Foreign<'_> {
    fn visit_path(&mut self, path: &Path) {
        let may = |name: &str| name.starts_with("defender_") || self.allowed.contains(&name);
        if let Some(dependency) = self.names.dependency(path).filter(|name| !may(name)) {
            let last = path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            self.found.insert(if last == dependency { last } else { format!("{last}` of `{dependency}") });
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests;
