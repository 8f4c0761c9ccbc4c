//! Parser events to a tree that knows where each of its parts stands.

use super::{Limits, scalar};
use crate::diagnostic::Span;
use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, Span as EventSpan, Tag, options};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Field>),
}

/// A field of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Of the name.
    pub(super) span: Span,
    pub(super) value: Node,
}

impl Node {
    /// A field by name.
    pub(super) fn field(&self, name: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(fields) => fields.iter().find(|f| f.name == name).map(|f| &f.value),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => items.iter().map(Node::count).sum(),
            Content::Map(fields) => fields.iter().map(|f| f.value.count()).sum(),
        }
    }

    fn depth(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => items.iter().map(Node::depth).max().unwrap_or(0),
            Content::Map(fields) => fields.iter().map(|f| f.value.depth()).max().unwrap_or(0),
        }
    }
}

/// What is wrong with a document, and where.
pub(super) type Fault = (String, Span);

/// The roots of all documents that can be read, and what is wrong with the others.
pub(super) fn read(text: &str, limits: &Limits) -> (Vec<Node>, Vec<Fault>) {
    let options = options! {
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
        // JSON files and long label values exceed YAML's own bound of 1024.
        simple_key_max_lookahead: 4096,
        emit_comments: false,
    };
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        limits: *limits,
        values: 0,
        anchors: BTreeMap::new(),
    };
    let (mut roots, mut faults) = (Vec::new(), Vec::new());
    loop {
        match reader.document() {
            Ok(Some(root)) => roots.push(root),
            Ok(None) => break,
            Err(fault) => {
                faults.push(fault);
                // The bound on values is one of the file: reading on would only meet it again.
                if reader.values > limits.values || !matches!(reader.parser.proceed_next_document(), Ok(true))
                {
                    break;
                }
            }
        }
    }
    (roots, faults)
}

struct Reader<'t> {
    parser: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    text: &'t str,
    limits: Limits,
    values: usize,
    anchors: BTreeMap<usize, Rc<Node>>,
}

impl<'t> Reader<'t> {
    /// The next document that is not empty.
    fn document(&mut self) -> Result<Option<Node>, Fault> {
        self.anchors.clear();
        loop {
            let Some((event, span)) = self.next()? else { return Ok(None) };
            match event {
                Event::StreamEnd => return Ok(None),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                other => return self.node(other, span, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fault> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, self.span(&span)))),
            Some(Err(error)) => {
                let at = self.position(error.marker());
                Err((sentence(&error.info()), at))
            }
        }
    }

    fn required(&mut self, parent: Span) -> Result<(Event<'t>, Span), Fault> {
        self.next()?.ok_or_else(|| ("the document ends in the middle of this".to_owned(), parent))
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fault> {
        self.take(1, span)?;
        if depth >= self.limits.depth {
            return Err((format!("nested deeper than {} levels", self.limits.depth), span));
        }
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (Content::Scalar(scalar_value(&text, style, tag.as_deref(), span)?), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), "seq", span)?;
                (Content::List(self.list(span, depth)?), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), "map", span)?;
                (Content::Map(self.map(span, depth)?), anchor)
            }
            Event::Alias(id) => return self.alias(id, span, depth),
            other => return Err((format!("unexpected {other:?}"), span)),
        };
        let node = Node { content, span };
        if anchor != 0 {
            // The copy that is kept counts like one that an alias makes.
            self.take(node.count(), span)?;
            self.anchors.insert(anchor, Rc::new(node.clone()));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Fault> {
        // An anchor is known once its value is complete, so a value cannot hold itself.
        let Some(target) = self.anchors.get(&id).cloned() else {
            return Err(("this alias stands inside of the value that it repeats".to_owned(), span));
        };
        self.take(target.count(), span)?;
        if depth + target.depth() > self.limits.depth {
            return Err((format!("nested deeper than {} levels", self.limits.depth), span));
        }
        Ok(Node { content: target.content.clone(), span })
    }

    fn take(&mut self, count: usize, span: Span) -> Result<(), Fault> {
        self.values = self.values.saturating_add(count);
        if self.values > self.limits.values {
            let message = format!(
                "more than {} values in one file, with those that aliases repeat",
                self.limits.values
            );
            return Err((message, span));
        }
        Ok(())
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.required(span)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Vec<Field>, Fault> {
        let mut fields: Vec<Field> = Vec::new();
        let mut merged: Vec<Field> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (name, key_span, is_merge) = match self.required(span)? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, style, _, _), at) => {
                    (text.into_owned(), at, style == ScalarStyle::Plain)
                }
                (_, at) => return Err(("a field's name must be a text".to_owned(), at)),
            };
            let (event, at) = self.required(key_span)?;
            let value = self.node(event, at, depth + 1)?;
            if is_merge && name == "<<" {
                merge(value, key_span, &mut merged)?;
                continue;
            }
            if !seen.insert(name.clone()) {
                return Err((format!("`{name}` is written twice in the same mapping"), key_span));
            }
            fields.push(Field { name, span: key_span, value });
        }
        // What is written beats what is merged, and an earlier merge beats a later one.
        for field in merged {
            if seen.insert(field.name.clone()) {
                fields.push(field);
            }
        }
        Ok(fields)
    }

    fn span(&self, span: &EventSpan) -> Span {
        let start = self.position(&span.start);
        let end = span.end.byte_offset().unwrap_or(start.start).max(start.start);
        // A block scalar's and a plain scalar's end may lie behind blanks and line ends.
        let written = self.text.get(start.start..end).unwrap_or_default().trim_end().len();
        Span { end: start.start + written, ..start }
    }

    fn position(&self, at: &Marker) -> Span {
        let start = at.byte_offset().unwrap_or(0).min(self.text.len());
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { line: narrow(at.line()), column: narrow(at.col()).saturating_add(1), start, end: start }
    }
}

fn merge(value: Node, span: Span, into: &mut Vec<Field>) -> Result<(), Fault> {
    match value.content {
        Content::Map(fields) => into.extend(fields),
        Content::List(items) => {
            for item in items {
                match item.content {
                    Content::Map(fields) => into.extend(fields),
                    _ => return Err(("`<<` merges mappings only".to_owned(), item.span)),
                }
            }
        }
        Content::Scalar(_) => return Err(("`<<` merges mappings only".to_owned(), span)),
    }
    Ok(())
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, Fault> {
    match tag {
        None if style == ScalarStyle::Plain => Ok(scalar::plain(text)),
        None => Ok(Value::String(text.to_owned())),
        Some(tag) => tag
            .core_suffix()
            .and_then(|suffix| scalar::tagged(suffix, text))
            .ok_or_else(|| (format!("this is not a {}", tag.original()), span)),
    }
}

fn collection_tag(tag: Option<&Tag>, want: &str, span: Span) -> Result<(), Fault> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(want) => {
            Err((format!("the tag {} is not one that a resource may have", tag.original()), span))
        }
        _ => Ok(()),
    }
}

/// The parser's messages begin and end as theirs do; ours begin small and end without a full stop.
fn sentence(message: &str) -> String {
    message.trim().trim_end_matches('.').to_owned()
}
