//! Circles of imports between the files of a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Item, UseTree,
    visit::{self, Visit},
};

use super::{
    source::{read, within},
    violation::Violation,
};
use xtask::{Failure, workspace::Workspace};

const NO_CIRCLES: &str = "the files of a crate import each other in one direction";

/// The circles of all packages.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        for root in ["src/lib.rs", "src/main.rs"].map(|root| package.folder.join(root)) {
            if root.is_file() {
                let circles = Modules::of(&root, &|file| read(file))?.circles();
                found.extend(circles.iter().map(|circle| violation(&workspace.root, &package.folder, circle)));
            }
        }
    }
    Ok(found)
}

fn violation(root: &Path, folder: &Path, circle: &[PathBuf]) -> Violation {
    let files: Vec<_> = circle.iter().map(|file| within(folder, file)).collect();
    Violation {
        place: format!("{}: {}", within(root, folder), files.join(" ")),
        found: format!("{} files import each other in a circle", files.len()),
        invariant: NO_CIRCLES,
    }
}

type Names = Vec<String>;

/// The modules of a crate by their paths: `[]` is the root.
#[derive(Debug, Default)]
struct Modules(BTreeMap<Names, Module>);

#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// Names that are imported here, with where they come from.
    imports: BTreeMap<String, Names>,
    /// Paths of this crate that stand here, tests aside.
    paths: BTreeSet<Names>,
}

impl Modules {
    fn of(root: &Path, read: &dyn Fn(&Path) -> Result<String, Failure>) -> Result<Self, Failure> {
        let mut modules = Self::default();
        modules.read(Vec::new(), root, read)?;
        Ok(modules)
    }

    fn read(&mut self, at: Names, file: &Path, read: &dyn Fn(&Path) -> Result<String, Failure>) -> Result<(), Failure> {
        let parsed = syn::parse_file(&read(file)?).map_err(|error| Failure::broken(file.display(), error))?;
        let stem = file.file_stem().unwrap_or_default();
        let parent = file.parent().unwrap_or(Path::new(""));
        let folder =
            if ["lib", "main", "mod"].iter().any(|name| stem == *name) { parent.to_owned() } else { parent.join(stem) };
        let mut children = Vec::new();
        for item in &parsed.items {
            if let Item::Mod(module) = item
                && module.content.is_none()
                && !is_for_tests(&module.attrs)
                && !module.attrs.iter().any(|attribute| attribute.path().is_ident("path"))
            {
                children.push(module.ident.to_string());
            }
        }
        let mut visitor =
            Paths { at: &at, children: &children, module: Module { file: file.to_owned(), ..Module::default() } };
        visitor.visit_file(&parsed);
        let module = visitor.module;
        for child in children {
            let path = folder.join(format!("{child}.rs"));
            let path = if path.is_file() { path } else { folder.join(&child).join("mod.rs") };
            self.read([at.clone(), vec![child]].concat(), &path, read)?;
        }
        self.0.insert(at, module);
        Ok(())
    }

    /// The file that has what a path names, behind any number of re-exports.
    fn file(&self, path: &[String], depth: usize) -> Option<&Path> {
        let length =
            (0..=path.len()).rev().find(|length| self.0.contains_key(path.get(..*length).unwrap_or_default()))?;
        let module = self.0.get(path.get(..length)?)?;
        let reexported = path.get(length).and_then(|name| module.imports.get(name));
        match reexported {
            Some(from) if depth < 8 => self.file(from, depth + 1),
            _ => Some(&module.file),
        }
    }

    /// Each set of files of which every one leads to every other.
    fn circles(&self) -> Vec<Vec<PathBuf>> {
        let mut edges: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for module in self.0.values() {
            let found = module.paths.iter().filter_map(|path| self.file(path, 0)).filter(|file| *file != module.file);
            edges.entry(&module.file).or_default().extend(found);
        }
        let reached: BTreeMap<&Path, BTreeSet<&Path>> = edges.keys().map(|file| (*file, reach(&edges, file))).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reached {
            let back = others.iter().filter(|other| reached.get(*other).is_some_and(|reached| reached.contains(file)));
            let circle: Vec<_> = back.map(|file| (*file).to_owned()).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }
}

/// Every file that imports of `from` lead to.
fn reach<'f>(edges: &BTreeMap<&'f Path, BTreeSet<&'f Path>>, from: &Path) -> BTreeSet<&'f Path> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for other in edges.get(file).into_iter().flatten() {
            if reached.insert(*other) {
                next.push(other);
            }
        }
    }
    reached
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

/// Collects the paths of a file that begin with `crate`, `self`, `super`, or a module of its own.
struct Paths<'p> {
    at: &'p Names,
    children: &'p [String],
    module: Module,
}

impl Paths<'_> {
    fn whole(&self, path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let parent = || self.at.split_last().map(|(_, parent)| parent.to_vec());
        let (base, rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (self.at.clone(), rest),
            "super" => (parent()?, rest),
            child if self.children.iter().any(|known| known == child) => (self.at.clone(), path),
            _ => return None,
        };
        Some([base.as_slice(), rest].concat())
    }

    fn add(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.add(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.add(tree, before)),
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(name) => (with(&name.ident), Some(name.rename.to_string())),
            UseTree::Glob(_) => (before.to_vec(), None),
        };
        if let Some(path) = self.whole(&path) {
            self.module.imports.extend(name.map(|name| (name, path.clone())));
            self.module.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        self.add(&import.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.module.paths.extend(self.whole(&names).filter(|_| names.len() > 1));
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<PathBuf>> {
        let read = |file: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == file);
            Ok(found.map(|(_, text)| (*text).to_owned()).unwrap_or_default())
        };
        Modules::of(Path::new("lib.rs"), &read).unwrap().circles()
    }

    #[test]
    fn circle_is_found_through_re_exports() {
        let root = ("lib.rs", "mod a; mod b; pub use b::B;");
        let found = circles(&[root, ("a/mod.rs", "use crate::B;"), ("b/mod.rs", "fn f() -> crate::a::A {}")]);
        assert_eq!(found, [[PathBuf::from("a/mod.rs"), PathBuf::from("b/mod.rs")]]);
    }

    #[test]
    fn parent_and_child_make_a_circle_too() {
        let child = ("a/mod.rs", "use super::X; struct C;");
        assert_eq!(circles(&[("lib.rs", "mod a; use a::C; struct X;"), child]).len(), 1);
        assert_eq!(circles(&[("lib.rs", "mod a; struct X;"), child]).len(), 0);
    }

    #[test]
    fn tests_may_import_what_they_test() {
        let test = ("a/mod.rs", "#[cfg(test)] mod t { use crate::b::B; }");
        assert_eq!(circles(&[("lib.rs", "mod a; mod b;"), test, ("b/mod.rs", "use crate::a::A;")]).len(), 0);
    }
}
