//! Where each field of a document stands, in a few bytes per field.
//!
//! ```text
//! tree of a document ─[Writer]─▶ Outline ─▶ a field's span, when something is to be said about it
//! ```
//!
//! Every resource keeps its outline for as long as it lives, and few are ever asked. So it is one run of
//! bytes: the fields in the order of the text, each with its place relative to the document and the length
//! of what is below it. A look-up walks down from the root and skips what is beside its way.

use super::Span;

/// The places of a document's fields. Empty where a text has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    bytes: Box<[u8]>,
    /// Of long lists and mappings, by their first items.
    long: Box<[Long]>,
    start: usize,
    line: u32,
}

/// Where the items of a long list or mapping begin in an outline's bytes, so that an item is found without a look
/// at those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Long {
    /// Where the first one in the text begins.
    first: u32,
    /// Of a list in the order of the text, of a mapping by name.
    items: Box<[u32]>,
}

/// Lists and mappings of more items than this are long.
const LONG: usize = 32;

/// What a path led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Of the value, or where that is a whole block, of what names or begins it.
    pub(crate) span: Span,
    /// Of the field's name; list items have none.
    pub(crate) key: Option<Span>,
    /// Whether it is the path's own field rather than a parent of it.
    pub(crate) is_exact: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Scalar,
    List,
    Map,
}

const SHAPE: u8 = 0b0000_0011;
const HAS_MARK: u8 = 0b0000_0100;
const NAME: u8 = 0b0001_1000;
/// The text at the name's place is the name.
const NAME_AS_WRITTEN: u8 = 0b0000_1000;
/// The text at the name's place is the name in quotes.
const NAME_IN_QUOTES: u8 = 0b0001_0000;
/// The name follows, since the text says it otherwise.
const NAME_INLINE: u8 = 0b0001_1000;

/// Writes an outline from its end to its beginning, so that the length of what is below a node is known
/// when the node is written.
#[derive(Debug)]
pub(crate) struct Writer<'t> {
    text: &'t str,
    reversed: Vec<u8>,
    /// The ends of nodes whose parents are not yet complete: those of one parent lie together.
    ends: Vec<usize>,
    /// What is long, and the ends of its items.
    long: Vec<(Shape, Vec<usize>)>,
    start: usize,
    line: u32,
}

impl<'t> Writer<'t> {
    /// For a document of `text` whose root stands at `root`.
    pub(crate) fn new(text: &'t str, root: Span) -> Self {
        Self {
            text,
            reversed: Vec::new(),
            ends: Vec::new(),
            long: Vec::new(),
            start: root.start,
            line: root.line,
        }
    }

    /// Writes a node. `children` writes those below it, the last one first.
    pub(crate) fn node(
        &mut self,
        name: Option<(&str, Span)>,
        mark: Option<Span>,
        shape: Shape,
        children: impl FnOnce(&mut Self),
    ) {
        let (end, first) = (self.reversed.len(), self.ends.len());
        children(self);
        if shape != Shape::Scalar && self.ends.len() - first > LONG {
            self.long.push((shape, self.ends.get(first..).unwrap_or_default().to_vec()));
        }
        self.ends.truncate(first);
        let mut header = match shape {
            Shape::Scalar => 0,
            Shape::List => 1,
            Shape::Map => 2,
        };
        if shape != Shape::Scalar {
            self.number(self.reversed.len() - end);
        }
        if let Some(mark) = mark {
            header |= HAS_MARK;
            self.span(mark);
        }
        if let Some((name, span)) = name {
            let written = self.text.get(span.start..span.end).unwrap_or_default();
            if written == name {
                header |= NAME_AS_WRITTEN;
            } else if unquoted(written) == Some(name) {
                header |= NAME_IN_QUOTES;
            } else {
                header |= NAME_INLINE;
                self.reversed.extend(name.bytes().rev());
                self.number(name.len());
            }
            self.span(span);
        }
        self.reversed.push(header);
        self.ends.push(self.reversed.len());
    }

    /// The outline, once the root is written.
    pub(crate) fn finish(mut self) -> Outline {
        self.reversed.reverse();
        let whole = self.reversed.len();
        // Where a node ends backwards it begins forwards; the last item was written first.
        let begins = |end: &usize| u32::try_from(whole - end).ok();
        let bytes = self.reversed.into();
        let mut outline = Outline { bytes, long: Box::default(), start: self.start, line: self.line };
        let long = |(shape, ends): &(Shape, Vec<usize>)| {
            let mut items: Box<[u32]> = ends.iter().rev().map(begins).collect::<Option<_>>()?;
            let first = *items.first()?;
            if *shape == Shape::Map {
                // Stable: of equal names the first in the text stays the first.
                items.sort_by_cached_key(|at| outline.child(*at, self.text)?.name.map(|(name, _)| name));
            }
            Some(Long { first, items })
        };
        let mut all: Vec<Long> = self.long.iter().filter_map(long).collect();
        all.sort_unstable_by_key(|long| long.first);
        outline.long = all.into();
        outline
    }

    fn span(&mut self, span: Span) {
        self.number(span.end.saturating_sub(span.start));
        self.number(span.column.try_into().unwrap_or(usize::MAX));
        self.signed(i64::from(span.line) - i64::from(self.line));
        // A text's length is within i64 on every machine that can hold it.
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.signed(signed(span.start) - signed(self.start));
    }

    /// Seven bits a byte, the lowest first; all but the last have the eighth bit.
    fn number(&mut self, n: usize) {
        let from = self.reversed.len();
        let mut rest = n as u64;
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                self.reversed.push(low & 0x7f);
                break;
            }
            self.reversed.push(low | 0x80);
        }
        if let Some(written) = self.reversed.get_mut(from..) {
            written.reverse();
        }
    }

    fn signed(&mut self, n: i64) {
        let folded = n.unsigned_abs() << 1 | u64::from(n < 0);
        self.number(usize::try_from(folded).unwrap_or(usize::MAX));
    }
}

fn unquoted(written: &str) -> Option<&str> {
    let inner = |quote| written.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\''))
}

impl Outline {
    /// The field of a path, or its nearest parent that is written; `None` where there are no fields at all.
    pub(crate) fn find(&self, text: &str, path: &str) -> Option<Place> {
        let mut walk = Walk { outline: self, text, whole: path.len(), best: None };
        let mut root = Cursor { bytes: &self.bytes, at: 0 };
        let node = walk.outline.node(&mut root, text)?;
        walk.descend(&node, path)?;
        walk.best.map(|(_, place)| place)
    }

    fn node<'o>(&self, cursor: &mut Cursor<'o>, text: &'o str) -> Option<Node<'o>> {
        let header = cursor.byte()?;
        let mut name = None;
        if header & NAME != 0 {
            let span = self.span(cursor)?;
            let written = text.get(span.start..span.end);
            let said = match header & NAME {
                NAME_AS_WRITTEN => written?,
                NAME_IN_QUOTES => unquoted(written?)?,
                _ => {
                    let length = cursor.number()?;
                    std::str::from_utf8(cursor.take(length)?).ok()?
                }
            };
            name = Some((said, span));
        }
        let mark = if header & HAS_MARK == 0 { None } else { Some(self.span(cursor)?) };
        let below = match header & SHAPE {
            0 => Cursor { bytes: &[], at: cursor.at },
            _ => {
                let length = cursor.number()?;
                let at = cursor.at;
                Cursor { bytes: cursor.take(length)?, at }
            }
        };
        Some(Node { name, mark, is_list: header & SHAPE == 1, below })
    }

    /// The item of a list, of which `below` are all.
    fn item<'o>(&'o self, mut below: Cursor<'o>, index: usize, text: &'o str) -> Option<Node<'o>> {
        if let Some(long) = self.long(below) {
            return self.child(*long.items.get(index)?, text);
        }
        for _ in 0..index {
            self.node(&mut below, text)?;
        }
        self.node(&mut below, text)
    }

    /// The fields of a mapping, of which `below` are all, whose names a path may begin with: at its end, or before
    /// a point or an index.
    fn fields<'o>(&'o self, below: Cursor<'o>, path: &str, text: &'o str) -> Vec<Node<'o>> {
        let fits = |name: &str| path.strip_prefix(name).is_some_and(ends_a_name);
        let is_it = |node: &Node<'_>| node.name.is_some_and(|(name, _)| fits(name));
        let Some(long) = self.long(below) else {
            let mut rest = below;
            return std::iter::from_fn(|| self.node(&mut rest, text)).filter(is_it).collect();
        };
        let name = |at: &u32| self.child(*at, text).and_then(|node| Some(node.name?.0));
        let ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
        let names = ends.filter_map(|end| path.split_at_checked(end)).filter(|(_, rest)| ends_a_name(rest));
        let mut found: Vec<u32> = names
            .flat_map(|(wanted, _)| {
                let from = long.items.partition_point(|at| name(at) < Some(wanted));
                let items = long.items.get(from..).unwrap_or_default().iter();
                items.take_while(move |at| name(at) == Some(wanted)).copied()
            })
            .collect();
        found.sort_unstable();
        found.into_iter().filter_map(|at| self.child(at, text)).collect()
    }

    /// Where the items are, if there are many.
    fn long(&self, below: Cursor<'_>) -> Option<&Long> {
        let first = u32::try_from(below.at).ok()?;
        let found = self.long.binary_search_by_key(&first, |long| long.first).ok()?;
        self.long.get(found)
    }

    /// The node that begins at a place.
    fn child<'o>(&'o self, at: u32, text: &'o str) -> Option<Node<'o>> {
        let at = usize::try_from(at).ok()?;
        self.node(&mut Cursor { bytes: self.bytes.get(at..)?, at }, text)
    }

    fn span(&self, cursor: &mut Cursor<'_>) -> Option<Span> {
        let start = self.start.checked_add_signed(isize::try_from(cursor.signed()?).ok()?)?;
        let line = self.line.checked_add_signed(i32::try_from(cursor.signed()?).ok()?)?;
        let column = u32::try_from(cursor.number()?).ok()?;
        let end = start.checked_add(cursor.number()?)?;
        Some(Span { line, column, start, end })
    }

    /// What a caret can show of a node: a scalar as a whole, of all else the first name.
    fn mark(&self, node: &Node<'_>, text: &str) -> Option<Span> {
        let mut below = node.below;
        match (node.mark, self.node(&mut below, text)) {
            (Some(mark), _) => Some(mark),
            (None, Some(first)) => match first.name {
                Some((_, span)) => Some(span),
                None => self.mark(&first, text),
            },
            (None, None) => None,
        }
    }
}

/// Whether a name may end before the rest of a path.
fn ends_a_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['.', '['])
}

struct Node<'o> {
    name: Option<(&'o str, Span)>,
    mark: Option<Span>,
    is_list: bool,
    below: Cursor<'o>,
}

/// One look-up. No node is visited twice: the names above a node say how much of the path is left at it.
struct Walk<'o> {
    outline: &'o Outline,
    text: &'o str,
    whole: usize,
    best: Option<(usize, Place)>,
}

impl<'o> Walk<'o> {
    /// Looks for `rest` below a node. Names may hold dots, so that more than one may fit.
    fn descend(&mut self, node: &Node<'o>, rest: &str) -> Option<()> {
        let at = self.whole - rest.len();
        if self.best.is_none_or(|(best, _)| at > best) {
            let span = match (node.mark, node.name) {
                (None, Some((_, span))) => span,
                _ => self.outline.mark(node, self.text)?,
            };
            let key = node.name.map(|(_, span)| span);
            self.best = Some((at, Place { span, key, is_exact: rest.is_empty() }));
        }
        if rest.is_empty() {
            return Some(());
        }
        if node.is_list {
            let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
            return match self.outline.item(node.below, index.parse().ok()?, self.text) {
                Some(item) => self.descend(&item, rest),
                None => Some(()),
            };
        }
        // Behind an index or a name comes a point; the root's fields have none before them.
        let rest = if at == 0 { rest } else { rest.strip_prefix('.')? };
        for child in self.outline.fields(node.below, rest, self.text) {
            let Some(left) = child.name.and_then(|(name, _)| rest.strip_prefix(name)) else { continue };
            self.descend(&child, left);
            if self.best.is_some_and(|(_, place)| place.is_exact) {
                break;
            }
        }
        Some(())
    }
}

#[derive(Clone, Copy)]
struct Cursor<'o> {
    bytes: &'o [u8],
    /// Where they begin in the outline.
    at: usize,
}

impl<'o> Cursor<'o> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        (self.bytes, self.at) = (rest, self.at + 1);
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'o [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        (self.bytes, self.at) = (rest, self.at + length);
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let (mut out, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return usize::try_from(out).ok();
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let folded = self.number()? as u64;
        let size = i64::try_from(folded >> 1).ok()?;
        Some(if folded & 1 == 0 { size } else { -size })
    }
}
