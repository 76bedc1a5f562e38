//! Which actions a filter can hold of, found without a look at all of them.

use std::{collections::BTreeSet, iter::Peekable, ops::Range};

use jiff::Timestamp;

use crate::{
    endpoints::actions::{CREATED, ID, MACHINE_ID, REQUESTOR, STATUS, TYPE},
    odata::{Compare, Expr, Operand, Val},
    store::actions::Actions,
};

/// Where the actions are that a filter may hold of: in any of these lists, and in this range.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// `None` is everywhere.
    sources: Option<Vec<Source<'a>>>,
    range: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    One(usize),
    Slice(&'a [usize]),
    Set(&'a BTreeSet<usize>),
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Slice(slice) => slice.len(),
            Self::Set(set) => set.len(),
        }
    }
}

/// In which order the numbers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    NewestFirst,
    OldestFirst,
}

impl<'a> Plan<'a> {
    /// Among the oldest `visible` actions.
    pub(crate) fn of(filter: Option<&Expr>, actions: &'a Actions, visible: usize) -> Self {
        let (mut from, mut until) = (None, None);
        if let Some(filter) = filter {
            bounds(filter, CREATED, &mut from, &mut until);
        }
        let sources = filter.and_then(|filter| sources(filter, actions));
        let range = actions.made(from, until);
        Self { sources, range: range.start.min(visible)..range.end.min(visible) }
    }

    /// How many actions it goes through at most.
    pub(crate) fn most(&self) -> usize {
        let listed = self.sources.as_ref().map_or(usize::MAX, |sources| sources.iter().map(Source::len).sum());
        listed.min(self.range.len())
    }

    /// The numbers, each once.
    pub(crate) fn numbers(self, direction: Direction) -> Box<dyn Iterator<Item = usize> + 'a> {
        let range = self.range;
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let Some(sources) = self.sources else {
            return match direction {
                Direction::NewestFirst => Box::new(range.rev()),
                Direction::OldestFirst => Box::new(range),
            };
        };
        let sources = sources.into_iter().map(|source| walk(source, range.clone(), direction).peekable()).collect();
        Box::new(Union { sources, direction })
    }
}

fn walk(source: Source<'_>, range: Range<usize>, direction: Direction) -> Box<dyn Iterator<Item = usize> + '_> {
    let turned = |numbers: &'_ [usize]| {
        let (from, until) = (
            numbers.partition_point(|number| *number < range.start),
            numbers.partition_point(|number| *number < range.end),
        );
        from..until
    };
    match (source, direction) {
        (Source::One(number), _) => Box::new(range.contains(&number).then_some(number).into_iter()),
        (Source::Slice(numbers), direction) => {
            let numbers = numbers.get(turned(numbers)).unwrap_or_default().iter().copied();
            match direction {
                Direction::NewestFirst => Box::new(numbers.rev()),
                Direction::OldestFirst => Box::new(numbers),
            }
        }
        (Source::Set(numbers), Direction::NewestFirst) => Box::new(numbers.range(range).rev().copied()),
        (Source::Set(numbers), Direction::OldestFirst) => Box::new(numbers.range(range).copied()),
    }
}

/// Several ordered lists as one, each number once.
struct Union<'a> {
    sources: Vec<Peekable<Box<dyn Iterator<Item = usize> + 'a>>>,
    direction: Direction,
}

impl Iterator for Union<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let heads = self.sources.iter_mut().filter_map(|source| source.peek().copied());
        let next = match self.direction {
            Direction::NewestFirst => heads.max(),
            Direction::OldestFirst => heads.min(),
        }?;
        for source in &mut self.sources {
            source.next_if_eq(&next);
        }
        Some(next)
    }
}

/// The lists outside of which the filter cannot hold; `None` where there is none shorter than all.
fn sources<'a>(filter: &Expr, actions: &'a Actions) -> Option<Vec<Source<'a>>> {
    match filter {
        Expr::And(parts) => {
            let total = |sources: &Vec<Source<'_>>| sources.iter().map(Source::len).sum::<usize>();
            let both = match (asked(parts, MACHINE_ID), asked(parts, TYPE)) {
                (Some(machine), Some(word)) => Some(vec![Source::Slice(actions.of_machine_and_type(machine, word))]),
                _ => None,
            };
            parts.iter().filter_map(|part| sources(part, actions)).chain(both).min_by_key(total)
        }
        Expr::Or(parts) => {
            let parts = parts.iter().map(|part| sources(part, actions)).collect::<Option<Vec<_>>>()?;
            Some(parts.concat())
        }
        Expr::Is(Operand::Property(property, _), Compare::Eq, Operand::Literal(Val::Text(text)))
        | Expr::Is(Operand::Literal(Val::Text(text)), Compare::Eq, Operand::Property(property, _)) => match *property {
            ID => Some(actions.number(text).map(Source::One).into_iter().collect()),
            MACHINE_ID => Some(vec![Source::Slice(actions.of_machine(text))]),
            TYPE => Some(vec![Source::Slice(actions.of_type(text))]),
            REQUESTOR => Some(vec![Source::Slice(actions.of_requestor(text))]),
            STATUS => Some(actions.with_status(text).map(Source::Set).into_iter().collect()),
            _ => None,
        },
        _ => None,
    }
}

/// The text to which one of these parts says that the property is equal.
fn asked(parts: &[Expr], wanted: usize) -> Option<&str> {
    parts.iter().find_map(|part| match part {
        Expr::Is(Operand::Property(property, _), Compare::Eq, Operand::Literal(Val::Text(text)))
            if *property == wanted =>
        {
            Some(&**text)
        }
        _ => None,
    })
}

/// Narrows the time that the property says to that in which the filter can hold.
pub(crate) fn bounds(filter: &Expr, wanted: usize, from: &mut Option<Timestamp>, until: &mut Option<Timestamp>) {
    match filter {
        Expr::And(parts) => parts.iter().for_each(|part| bounds(part, wanted, from, until)),
        Expr::Is(Operand::Property(property, _), compare, Operand::Literal(Val::Date(time))) if *property == wanted => {
            match compare {
                // What is not before it may be at it: the filter itself is asked again of each.
                Compare::Gt | Compare::Ge => *from = (*from).max(Some(*time)),
                Compare::Lt => *until = until.map_or(Some(*time), |until| Some(until.min(*time))),
                _ => {}
            }
        }
        _ => {}
    }
}
