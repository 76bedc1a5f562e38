//! A reader for the part of OData's `$filter` that the crate writes. It is written from the OASIS grammar and not from the crate,
//! so it reads a filter as a service does.

use jiff::Timestamp;

/// Meaning of a filter. `And` and `Or` have a list of operands, since both are associative.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Or(Vec<Tree>),
    And(Vec<Tree>),
    Not(Box<Tree>),
    Compare(String, String, Value),
    StartsWith(String, String),
    AnyIs(String, String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Date(Timestamp),
    Number(i64),
    Guid(String),
}

impl Tree {
    pub(crate) fn and(self, other: Self) -> Self {
        let parts = |tree| if let Self::And(parts) = tree { parts } else { vec![tree] };
        Self::And([parts(self), parts(other)].concat())
    }

    pub(crate) fn or(self, other: Self) -> Self {
        let parts = |tree| if let Self::Or(parts) = tree { parts } else { vec![tree] };
        Self::Or([parts(self), parts(other)].concat())
    }

    pub(crate) fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// Returns the meaning of the text, if the whole text is a filter.
pub(crate) fn read(text: &str) -> Option<Tree> {
    let mut reader = Reader(text);
    let tree = reader.or()?;
    reader.0.is_empty().then_some(tree)
}

/// The rest of the text.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn or(&mut self) -> Option<Tree> {
        let mut tree = self.and()?;
        while self.takes(" or ") {
            tree = tree.or(self.and()?);
        }
        Some(tree)
    }

    fn and(&mut self) -> Option<Tree> {
        let mut tree = self.unary()?;
        while self.takes(" and ") {
            tree = tree.and(self.unary()?);
        }
        Some(tree)
    }

    fn unary(&mut self) -> Option<Tree> {
        let rest = self.0;
        let tree = self.tight();
        if tree.is_some() {
            return tree;
        }
        self.0 = rest;
        self.comparison()
    }

    /// Reads the operand of a `not`, which has a higher precedence than a comparison.
    fn tight(&mut self) -> Option<Tree> {
        if self.takes("not ") {
            return Some(self.tight()?.not());
        }
        if self.takes("(") {
            let tree = self.or()?;
            return self.takes(")").then_some(tree);
        }
        if self.takes("startswith(") {
            let name = self.name()?;
            self.takes(",").then_some(())?;
            let text = self.text()?;
            return self.takes(")").then_some(Tree::StartsWith(name, text));
        }
        let name = self.name()?;
        self.takes("/any(tag: tag eq ").then_some(())?;
        let text = self.text()?;
        self.takes(")").then_some(Tree::AnyIs(name, text))
    }

    fn comparison(&mut self) -> Option<Tree> {
        let name = self.name()?;
        self.takes(" ").then_some(())?;
        let operator = self.name()?;
        ["eq", "ne", "gt", "ge", "lt", "le"].contains(&operator.as_str()).then_some(())?;
        self.takes(" ").then_some(())?;
        Some(Tree::Compare(name, operator, self.value()?))
    }

    fn value(&mut self) -> Option<Value> {
        if self.0.starts_with('\'') {
            return self.text().map(Value::Text);
        }
        let bare = self.while_is(|char| char.is_ascii_alphanumeric() || "-:.".contains(char))?;
        if let Ok(number) = bare.parse() {
            return Some(Value::Number(number));
        }
        if let Ok(date) = bare.parse() {
            return bare.ends_with('Z').then_some(Value::Date(date));
        }
        let lengths: Vec<_> = bare.split('-').map(str::len).collect();
        let is_guid = lengths == [8, 4, 4, 4, 12] && bare.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        is_guid.then(|| Value::Guid(bare.to_owned()))
    }

    /// Reads a text in quotes; two quotes inside are one.
    fn text(&mut self) -> Option<String> {
        self.takes("'").then_some(())?;
        let mut text = String::new();
        loop {
            let (inside, rest) = self.0.split_once('\'')?;
            text.push_str(inside);
            self.0 = rest;
            if !self.takes("'") {
                return Some(text);
            }
            text.push('\'');
        }
    }

    fn name(&mut self) -> Option<String> {
        self.while_is(|char| char.is_ascii_alphanumeric()).map(str::to_owned)
    }

    fn while_is(&mut self, belongs: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.0.find(|char| !belongs(char)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn takes(&mut self, token: &str) -> bool {
        self.0.strip_prefix(token).is_some_and(|rest| {
            self.0 = rest;
            true
        })
    }
}
