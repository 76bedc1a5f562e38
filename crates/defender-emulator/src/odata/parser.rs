//! Reads a filter: and, or, not, comparisons, `startswith`, `any` and parentheses.

use super::{
    filter::{Compare, Expr, Operand, Val},
    lexer::{Token, tokens},
    schema::{InOperator, Kind, Property},
};
use crate::http::problem::Problem;

/// Deeper than any filter that is meant.
const DEEPEST: usize = 50;

/// Reads a filter.
pub(super) fn filter(text: &str, schema: &'static [Property], in_operator: InOperator) -> Result<Expr, Problem> {
    let tokens = tokens(text)?.into_iter().peekable();
    let mut parser = Parser { tokens, schema, in_operator, depth: 0, variable: None };
    let expr = parser.or()?;
    match parser.tokens.next() {
        None => Ok(expr),
        Some(token) => Err(wrong(&token)),
    }
}

/// The place of a property, by its name in any letter case.
pub(super) fn property(name: &str, schema: &'static [Property]) -> Result<usize, Problem> {
    let place = schema.iter().position(|property| property.name.eq_ignore_ascii_case(name));
    place.ok_or_else(|| Problem::query(format!("Could not find a property named '{name}'.")))
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    schema: &'static [Property],
    in_operator: InOperator,
    depth: usize,
    variable: Option<String>,
}

fn wrong(token: &Token) -> Problem {
    Problem::query(format!("Syntax error at {token:?}."))
}

impl Parser {
    fn or(&mut self) -> Result<Expr, Problem> {
        let mut parts = vec![self.and()?];
        while self.takes_word("or") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, Problem> {
        let mut parts = vec![self.unary()?];
        while self.takes_word("and") {
            parts.push(self.unary()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn unary(&mut self) -> Result<Expr, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::query("The node count limit has been exceeded."));
        }
        let expr = if self.takes_word("not") {
            Expr::Not(Box::new(self.unary()?))
        } else if self.takes(&Token::Mark('(')) {
            let expr = self.or()?;
            self.expect(')')?;
            expr
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, Problem> {
        let Some(token) = self.tokens.next() else {
            return Err(Problem::query("Expression expected."));
        };
        if let Token::Word(word) = &token
            && self.takes(&Token::Mark('('))
        {
            return self.function(word);
        }
        let left = self.operand(token)?;
        if let Operand::Property(property, Kind::Texts) = left {
            return self.any(property);
        }
        if self.in_operator == InOperator::Understood && self.takes_word("in") {
            return self.one_of(&left);
        }
        let compare = match self.tokens.next() {
            Some(Token::Word(word)) => compare(&word)?,
            Some(token) => return Err(wrong(&token)),
            None => return Err(Problem::query("An operator was expected.")),
        };
        let Some(token) = self.tokens.next() else {
            return Err(Problem::query("Expression expected."));
        };
        let right = self.operand(token)?;
        let both = (left.kind(), right.kind());
        let fits = both.0 == both.1
            || (matches!(compare, Compare::Eq | Compare::Ne) && (both.0 == Kind::Null || both.1 == Kind::Null));
        if !fits {
            return Err(Problem::query(format!("A binary operator with incompatible types was detected: {both:?}.")));
        }
        Ok(Expr::Is(left, compare, right))
    }

    fn function(&mut self, name: &str) -> Result<Expr, Problem> {
        if name != "startswith" {
            return Err(Problem::query(format!("An unknown function with name '{name}' was found.")));
        }
        let text = self.text_operand()?;
        self.expect(',')?;
        let start = self.text_operand()?;
        self.expect(')')?;
        Ok(Expr::StartsWith(text, start))
    }

    /// `/any(tag: tag eq 'x')`, behind a collection.
    fn any(&mut self, property: usize) -> Result<Expr, Problem> {
        self.expect('/')?;
        if !self.takes_word("any") {
            return Err(Problem::query("A collection is asked with any."));
        }
        self.expect('(')?;
        let Some(Token::Word(variable)) = self.tokens.next() else {
            return Err(Problem::query("any needs a variable."));
        };
        self.expect(':')?;
        let outer = self.variable.replace(variable);
        let expr = self.or()?;
        self.variable = outer;
        self.expect(')')?;
        Ok(Expr::Any(property, Box::new(expr)))
    }

    /// `('a','b')`, behind `in`.
    fn one_of(&mut self, left: &Operand) -> Result<Expr, Problem> {
        let Operand::Property(property, kind) = *left else {
            return Err(Problem::query("in belongs behind a property."));
        };
        self.expect('(')?;
        let mut parts = Vec::new();
        loop {
            let token = self.tokens.next().ok_or_else(|| Problem::query("Expression expected."))?;
            let right = self.operand(token)?;
            if right.kind() != kind {
                return Err(Problem::query("A value of another type is in the list."));
            }
            parts.push(Expr::Is(Operand::Property(property, kind), Compare::Eq, right));
            if !self.takes(&Token::Mark(',')) {
                self.expect(')')?;
                return Ok(one_or(parts, Expr::Or));
            }
        }
    }

    fn text_operand(&mut self) -> Result<Operand, Problem> {
        let token = self.tokens.next().ok_or_else(|| Problem::query("Expression expected."))?;
        let operand = self.operand(token)?;
        if operand.kind() == Kind::Text { Ok(operand) } else { Err(Problem::query("A text was expected.")) }
    }

    fn operand(&self, token: Token) -> Result<Operand, Problem> {
        Ok(match token {
            Token::Text(text) => Operand::Literal(Val::Text(text.into())),
            Token::Date(date) => Operand::Literal(Val::Date(date)),
            Token::Number(number) => Operand::Literal(Val::Number(number)),
            Token::Word(word) if word == "null" => Operand::Literal(Val::Null),
            Token::Word(word) if self.variable.as_deref() == Some(word.as_str()) => Operand::Variable,
            Token::Word(word) => {
                let place = property(&word, self.schema)?;
                Operand::Property(place, self.schema.get(place).map_or(Kind::Null, |property| property.kind))
            }
            Token::Mark(_) => return Err(wrong(&token)),
        })
    }

    fn takes(&mut self, token: &Token) -> bool {
        self.tokens.next_if_eq(token).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found == word)).is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), Problem> {
        if self.takes(&Token::Mark(mark)) { Ok(()) } else { Err(Problem::query(format!("'{mark}' expected."))) }
    }
}

fn compare(word: &str) -> Result<Compare, Problem> {
    Ok(match word {
        "eq" => Compare::Eq,
        "ne" => Compare::Ne,
        "gt" => Compare::Gt,
        "ge" => Compare::Ge,
        "lt" => Compare::Lt,
        "le" => Compare::Le,
        // `in` too: it is OData's, and not on the service's pages.
        _ => return Err(Problem::query(format!("The operator '{word}' is not supported."))),
    })
}

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match (parts.pop(), parts.is_empty()) {
        (Some(one), true) => one,
        (last, _) => {
            parts.extend(last);
            many(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{super::filter::Row, *};

    const SCHEMA: &[Property] = &[
        Property { name: "name", kind: Kind::Text },
        Property { name: "seen", kind: Kind::Date },
        Property { name: "group", kind: Kind::Number },
        Property { name: "tags", kind: Kind::Texts },
    ];

    struct Machine(Vec<String>);

    impl Row for Machine {
        fn value(&self, property: usize) -> Val<'_> {
            match property {
                0 => Val::Text(Cow::Borrowed("o'neil")),
                1 => Val::Date("2018-08-02T14:55:03Z".parse().unwrap()),
                2 => Val::Number(140),
                _ => Val::Texts(&self.0),
            }
        }
    }

    fn holds(text: &str) -> bool {
        let machine = Machine(vec!["red".to_owned(), "blue".to_owned()]);
        filter(text, SCHEMA, InOperator::Understood)
            .unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
            .holds(&machine)
    }

    #[test]
    fn what_holds_holds() {
        for text in [
            "name eq 'o''neil'",
            "NAME ne 'x'",
            "'o' lt name",
            "startswith(name,'o''n')",
            "seen gt 2018-08-01Z",
            "seen le 2018-08-02T14:55:03Z and seen ge 2018-08-02T16:55:03+02:00",
            "group eq 140 or name eq 'x' and name eq 'y'",
            "(group eq 140 or name eq 'x') and not (name eq 'y')",
            "not not (group ge 140)",
            "tags/any(tag: tag eq 'blue')",
            "tags/any(t:startswith(t,'re') and t ne 'x')",
            "name ne null",
            "name in ('x','o''neil')",
            "not (group in (1, 2)) and seen in (2018-08-02T14:55:03Z)",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn what_does_not_hold_does_not() {
        for text in [
            "name eq 'O''NEIL'",
            "(group eq 140 or name eq 'x') and name eq 'y'",
            "tags/any(tag: tag eq 'green')",
            "seen lt 2018-08-02T14:55:03Z",
            "name eq null",
            "name in ('x')",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            "name",
            "name eq",
            "name is 'x'",
            "name in ('x')",
            "name eq 'x",
            "name eq 'x' and",
            "nobody eq 'x'",
            "seen gt '2018-08-01Z'",
            "seen gt 2018-13-01Z",
            "name eq 7",
            "name gt null",
            "contains(name,'x')",
            "startswith(seen,'x')",
            "startswith(name)",
            "tags eq 'x'",
            "tags/all(t: t eq 'x')",
            "t eq 'x'",
            "name eq 'x')",
            "name eq \"x\"",
            "name eq 'x';",
        ] {
            assert!(filter(text, SCHEMA, InOperator::Refused).is_err(), "{text}");
        }
        for text in ["name in ()", "name in 'x'", "name in (1)", "name in ('x'", "'x' in ('x')"] {
            assert!(filter(text, SCHEMA, InOperator::Understood).is_err(), "{text}");
        }
        assert!(filter(&"(".repeat(100_000), SCHEMA, InOperator::Refused).is_err());
        assert!(filter(&"not ".repeat(100_000), SCHEMA, InOperator::Refused).is_err());
    }
}
