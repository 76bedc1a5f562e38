//! What the names in a file stand for, and which of them the world can say.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Attribute, Item, Meta, Path, UseTree, Visibility};

/// The types of a crate that nobody outside can name.
#[derive(Default)]
pub(super) struct Types {
    private: BTreeSet<String>,
    public: BTreeSet<String>,
}

impl Types {
    pub(super) fn declare(&mut self, items: &[Item]) {
        for item in items {
            let (name, vis) = match item {
                Item::Struct(item) => (&item.ident, &item.vis),
                Item::Enum(item) => (&item.ident, &item.vis),
                Item::Trait(item) => (&item.ident, &item.vis),
                Item::Type(item) => (&item.ident, &item.vis),
                Item::Mod(item) if !is_test(&item.attrs) => {
                    self.declare(item.content.as_ref().map_or(&[], |(_, items)| items));
                    continue;
                }
                _ => continue,
            };
            let set = if is_public(vis) { &mut self.public } else { &mut self.private };
            set.insert(name.to_string());
        }
    }

    pub(super) fn is_private(&self, name: &str) -> bool {
        self.private.contains(name) && !self.public.contains(name)
    }
}

/// What the names of a file stand for.
pub(super) struct Names<'a> {
    pub(super) dependencies: &'a BTreeSet<String>,
    /// The first word of the path from which a name was imported; a module of the file stands for itself.
    pub(super) imported: BTreeMap<String, String>,
}

impl Names<'_> {
    pub(super) fn declare(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(item) if !is_test(&item.attrs) => {
                    self.imported.insert(item.ident.to_string(), "self".to_owned());
                    self.declare(item.content.as_ref().map_or(&[], |(_, items)| items));
                }
                Item::Use(item) => self.import(None, &item.tree),
                _ => {}
            }
        }
    }

    fn import(&mut self, root: Option<&str>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                let first = path.ident.to_string();
                self.import(Some(root.unwrap_or(&first)), &path.tree);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(root, tree)),
            UseTree::Name(name) => self.insert(&name.ident.to_string(), root),
            UseTree::Rename(rename) => {
                let first = rename.ident.to_string();
                self.insert(&rename.rename.to_string(), Some(root.unwrap_or(&first)));
            }
            UseTree::Glob(_) => {}
        }
    }

    fn insert(&mut self, name: &str, root: Option<&str>) {
        // `use http;` and `use hyper::{self, X}` import the crate itself, which stands for itself in any case.
        if name != "self" {
            self.imported.insert(name.to_owned(), root.unwrap_or(name).to_owned());
        }
    }

    /// The dependency that a path leads into, if it is one.
    pub(super) fn dependency(&self, path: &Path) -> Option<&str> {
        let first = path.segments.first()?.ident.to_string();
        let root = if path.leading_colon.is_some() { &first } else { self.imported.get(&first).unwrap_or(&first) };
        self.dependencies.get(root).map(String::as_str)
    }
}

pub(super) fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    has(attributes, "cfg", &["test"])
}

pub(super) fn denies_missing(attribute: &Attribute) -> bool {
    has(std::slice::from_ref(attribute), "deny", &["clippy", "missing_trait_methods"])
}

/// Whether one of these attributes is called `name` and holds all these words.
fn has(attributes: &[Attribute], name: &str, words: &[&str]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        let tokens = list.tokens.to_string();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let held: BTreeSet<_> = tokens.split(|c| !is_part(c)).collect();
        list.path.is_ident(name) && words.iter().all(|word| held.contains(word)) && !held.contains("not")
    })
}
