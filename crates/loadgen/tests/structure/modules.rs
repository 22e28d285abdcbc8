//! The modules of a crate as its files declare them, and which file uses what of which other.
//!
//! An item that a module re-exports counts as of the file that defines it, so that a `mod.rs` may show
//! what its children hold. What only tests compile does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::tokens::{Token, end_of_brackets, tokens};

/// An item that one file uses of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) line: usize,
    /// As the file writes it.
    pub(crate) path: String,
}

/// What each file uses: by the user, then by the file that defines it, both relative to the source
/// folder. One use stands for all.
pub(crate) type Uses = BTreeMap<PathBuf, BTreeMap<PathBuf, Use>>;

/// A name that a `use` brings in.
#[derive(Debug)]
struct Import {
    path: Vec<String>,
    is_reexport: bool,
    line: usize,
}

/// One file.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// By the name that they have here.
    imports: BTreeMap<String, Import>,
    /// The names of the items that are defined here.
    items: BTreeSet<String>,
    /// What the rest of the file names.
    paths: Vec<(Vec<String>, usize)>,
}

/// All files that `lib.rs` leads to; `read` gives the content of one, if there is such a file.
pub(crate) fn uses(read: &dyn Fn(&Path) -> Option<String>) -> Uses {
    let mut modules = Modules(Vec::new());
    modules.load(PathBuf::from("lib.rs"), Path::new(""), None, read);
    modules.uses()
}

struct Modules(Vec<Module>);

impl Modules {
    /// Reads a file, and those of the modules that it declares, which are in the folder `below`.
    fn load(
        &mut self,
        file: PathBuf,
        below: &Path,
        parent: Option<usize>,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let text = read(&file).unwrap_or_else(|| panic!("there is no {}", file.display()));
        let (module, children) = parse(file, parent, &tokens(&text));
        let index = self.0.len();
        self.0.push(module);
        for name in children {
            let folder = below.join(&name);
            let files = [folder.with_extension("rs"), folder.join("mod.rs")];
            let file = files.into_iter().find(|file| read(file).is_some());
            let file = file.unwrap_or_else(|| panic!("module {} has no file", folder.display()));
            let child = self.load(file, &folder, Some(index), read);
            self.0[index].children.insert(name, child);
        }
        index
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (index, module) in self.0.iter().enumerate() {
            // What is only passed on is not used here.
            let imports = module.imports.values().filter(|import| !import.is_reexport);
            let imports = imports.map(|import| (&import.path, import.line));
            let paths = module.paths.iter().map(|(path, line)| (path, *line));
            for (path, line) in imports.chain(paths) {
                // A module that is imported is used where something of it is named.
                let Some(Place::Item(definer)) = self.resolve(index, path) else { continue };
                if definer != index {
                    let of_file = uses.entry(module.file.clone()).or_default();
                    let path = path.join("::");
                    of_file.entry(self.0[definer].file.clone()).or_insert(Use { line, path });
                }
            }
        }
        uses
    }

    /// What `path` means in module `from`. Nothing if it leads out of the crate, or is a local name.
    fn resolve(&self, from: usize, path: &[String]) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        let module = &self.0[from];
        match &**first {
            "crate" => self.walk(0, rest),
            "self" => self.walk(from, rest),
            "super" => self.walk(module.parent?, rest),
            name => match (module.children.get(name), module.imports.get(name)) {
                (Some(&child), _) => self.walk(child, rest),
                // `use name::…` is about a crate of that name.
                (None, Some(import)) if import.path[0] != name => {
                    self.resolve(from, &[&import.path[..], rest].concat())
                }
                _ => module.items.contains(name).then_some(Place::Item(from)),
            },
        }
    }

    /// What `path` means from outside module `at`.
    fn walk(&self, at: usize, path: &[String]) -> Option<Place> {
        let Some(name) = path.first() else { return Some(Place::Module) };
        let is_here = self.0[at].items.contains(name);
        let is_known = name == "super"
            || self.0[at].children.contains_key(name)
            || self.0[at].imports.contains_key(name);
        // What a macro defines is not seen, so what is not known is of this file.
        if is_here || !is_known { Some(Place::Item(at)) } else { self.resolve(at, path) }
    }
}

enum Place {
    Module,
    /// An item of the module with this index.
    Item(usize),
}

/// A module, and the names of the modules that it declares.
fn parse(file: PathBuf, parent: Option<usize>, tokens: &[Token]) -> (Module, Vec<String>) {
    const ITEMS: [&str; 8] =
        ["fn", "struct", "enum", "trait", "type", "const", "static", "macro_rules"];
    let mut module = Module { file, parent, ..Module::default() };
    let mut children = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| &*token.text);
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", text);
        match text(at) {
            // `use<'a>` bounds what an opaque type captures.
            "use" if text(at + 1) != "<" => {
                let is_reexport = before == "pub" || before == ")";
                let end = at + tokens[at..].iter().position(|token| token.text == ";").unwrap();
                for (path, alias, line) in imports(&tokens[at + 1..end]) {
                    let is_internal = ["crate", "self", "super"].contains(&&*path[0]);
                    let file = module.file.display();
                    assert!(!is_internal || alias != "*", "{file}:{line}: name what is imported");
                    module.imports.insert(alias, Import { path, is_reexport, line });
                }
                at = end;
            }
            "mod" if text(at + 2) == ";" => {
                children.push(text(at + 1).to_owned());
                at += 2;
            }
            "mod" if text(at + 2) == "{" => {
                let file = module.file.display();
                panic!("{file}:{}: give the module a file of its own", tokens[at].line);
            }
            item if ITEMS.contains(&item) => {
                let name = at + if text(at + 1) == "!" { 2 } else { 1 };
                module.items.insert(text(name).to_owned());
                at = name;
            }
            _ if tokens[at].is_name() => {
                let start = at;
                while text(at + 1) == "::" && tokens.get(at + 2).is_some_and(Token::is_name) {
                    at += 2;
                }
                let path: Vec<_> =
                    tokens[start..=at].iter().step_by(2).map(|token| token.text.clone()).collect();
                // Fields, methods and arguments share their names with functions.
                let is_local = path.len() == 1 && (before == "." || text(at + 1) == ":");
                if before != "::" && !is_local {
                    module.paths.push((path, tokens[start].line));
                }
            }
            _ => {}
        }
        at += 1;
    }
    (module, children)
}

/// Path, name here and line of everything in a `use`, without `use` and `;`.
fn imports(tree: &[Token]) -> Vec<(Vec<String>, String, usize)> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    let mut at = 0;
    while let Some(token) = tree.get(at) {
        match &*token.text {
            "::" => {}
            "{" => {
                let end = end_of_brackets(tree, at) - 1;
                for part in split_at_commas(&tree[at + 1..end]) {
                    for (below, alias, line) in imports(part) {
                        // `a::{self}` imports `a`.
                        let is_self = below == ["self"] && !path.is_empty();
                        let whole =
                            if is_self { path.clone() } else { [&path[..], &below].concat() };
                        let alias =
                            if alias == "self" { path.last().unwrap().clone() } else { alias };
                        found.push((whole, alias, line));
                    }
                }
                return found;
            }
            "as" => return vec![(path, tree[at + 1].text.clone(), token.line)],
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    if let (Some(last), Some(token)) = (path.last().cloned(), tree.last()) {
        found.push((path, last, token.line));
    }
    found
}

fn split_at_commas(tree: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < tree.len() {
        match &*tree[at].text {
            "{" => at = end_of_brackets(tree, at),
            "," => {
                parts.push(&tree[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.push(&tree[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}
