//! Parser events to trees, with anchors and merge keys resolved, within bounds.

use super::Limits;
use super::scalar;
use super::tree::{Content, Name, Node, Scalar, Tree};
use crate::diagnostic::Span;
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, Span as EventSpan, StrInput, options};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// What is wrong with a document, and where.
pub(super) type Fault = (String, Span);

/// Hands over every document that can be read, and says what is wrong with the others.
pub(super) fn read(text: &str, limits: &Limits, mut each: impl FnMut(Tree<'_, '_>)) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut values = 0;
    let mut base = Span { line: 1, column: 1, start: 0, end: 0 };
    for part in json_objects(text) {
        let options = options! {
            flow_nesting_limit: limits.depth,
            block_nesting_limit: limits.depth,
            // JSON files and long label values exceed YAML's own bound of 1024.
            simple_key_max_lookahead: 4096,
            emit_comments: false,
        };
        let parser = Parser::new_from_str_with_options(part, options);
        let mut reader = Reader {
            parser,
            text: part,
            base,
            limits: *limits,
            values,
            anchors: HashMap::new(),
            nodes: Vec::new(),
            fields: Vec::new(),
        };
        reader.documents(&mut each, &mut faults);
        values = reader.values;
        base = after(part, base);
    }
    faults
}

/// The objects of a stream of JSON, as `kubectl` reads one after another without `---` between them; any
/// other text is one part.
fn json_objects(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    if text.trim_start().starts_with('{') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
        let mut from = 0;
        while let Some(Ok(_)) = values.next() {
            let end = values.byte_offset();
            let (Some(part), Some(behind)) = (text.get(from..end), text.get(end..)) else { break };
            if !behind.trim_start().starts_with('{') {
                break;
            }
            parts.push(part);
            (rest, from) = (behind, end);
        }
    }
    parts.push(rest);
    parts
}

/// Where the text behind a part begins.
fn after(part: &str, base: Span) -> Span {
    let lines = u32::try_from(part.matches('\n').count()).unwrap_or(u32::MAX);
    let last = part.rsplit('\n').next().unwrap_or_default();
    let in_line = u32::try_from(last.chars().count()).unwrap_or(u32::MAX);
    let column = if lines == 0 { base.column.saturating_add(in_line) } else { in_line.saturating_add(1) };
    let start = base.start + part.len();
    Span { line: base.line.saturating_add(lines), column, start, end: start }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    /// Where the text stands in the file.
    base: Span,
    limits: Limits,
    values: usize,
    anchors: HashMap<usize, Rc<[Node<'t>]>>,
    /// Of the document that is being read.
    nodes: Vec<Node<'t>>,
    /// The fields of the mappings that are open, as places in `nodes`.
    fields: Vec<usize>,
}

impl<'t> Reader<'t> {
    fn documents(&mut self, each: &mut impl FnMut(Tree<'_, '_>), faults: &mut Vec<Fault>) {
        loop {
            match self.document() {
                Ok(true) => {
                    if let Some(root) = Tree::of(&self.nodes) {
                        root.documents(each);
                    }
                }
                Ok(false) => return,
                Err(fault) => {
                    faults.push(fault);
                    // The bound on values is one of the file: reading on would only meet it again.
                    let is_spent = self.values > self.limits.values;
                    if is_spent || !matches!(self.parser.proceed_next_document(), Ok(true)) {
                        return;
                    }
                }
            }
        }
    }

    /// Reads the next document that is not empty into `nodes`; false at the end.
    fn document(&mut self) -> Result<bool, Fault> {
        self.anchors.clear();
        self.nodes.clear();
        self.fields.clear();
        loop {
            let Some((event, span)) = self.next()? else { return Ok(false) };
            match event {
                Event::StreamEnd => return Ok(false),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                other => return self.node(None, other, span, 0).map(|()| true),
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

    /// Reads a value and all that is below it.
    fn node(
        &mut self,
        name: Option<Name<'t>>,
        event: Event<'t>,
        span: Span,
        depth: usize,
    ) -> Result<(), Fault> {
        self.take(1, span)?;
        self.at_most(depth + 1, span)?;
        let at = self.nodes.len();
        let anchor = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = match tag {
                    None if style == ScalarStyle::Plain => scalar::plain(text),
                    None => Ok(Scalar::Text(text)),
                    Some(tag) => scalar::tagged(tag.core_suffix(), text),
                };
                let content = Content::Scalar(scalar.map_err(|why| (why, span))?);
                self.nodes.push(Node { name, content, span, size: 1 });
                anchor
            }
            Event::SequenceStart(_, anchor, _) => {
                self.nodes.push(Node { name, content: Content::List, span, size: 1 });
                self.list(span, depth)?;
                anchor
            }
            Event::MappingStart(_, anchor, _) => {
                self.nodes.push(Node { name, content: Content::Map, span, size: 1 });
                self.map(span, depth)?;
                anchor
            }
            Event::Alias(id) => return self.alias(name, id, span, depth),
            other => return Err((format!("unexpected {other:?}"), span)),
        };
        let size = self.nodes.len() - at;
        if let Some(node) = self.nodes.get_mut(at) {
            node.size = size;
        }
        if anchor != 0 {
            // The copy that is kept counts like one that an alias makes.
            self.take(size, span)?;
            self.anchors.insert(anchor, self.nodes.get(at..).unwrap_or_default().into());
        }
        Ok(())
    }

    fn alias(&mut self, name: Option<Name<'t>>, id: usize, span: Span, depth: usize) -> Result<(), Fault> {
        // An anchor is known once its value is complete, so a value cannot hold itself.
        let Some(target) = self.anchors.get(&id).cloned() else {
            return Err(("this alias stands inside of the value that it repeats".to_owned(), span));
        };
        self.take(target.len(), span)?;
        self.at_most(depth + Tree::of(&target).map_or(0, Tree::depth), span)?;
        let at = self.nodes.len();
        self.nodes.extend_from_slice(&target);
        if let Some(copy) = self.nodes.get_mut(at) {
            (copy.name, copy.span) = (name, span);
        }
        Ok(())
    }

    fn take(&mut self, count: usize, span: Span) -> Result<(), Fault> {
        self.values = self.values.saturating_add(count);
        if self.values <= self.limits.values {
            return Ok(());
        }
        let most = self.limits.values;
        Err((format!("more than {most} values in one file, with those that aliases repeat"), span))
    }

    fn at_most(&self, depth: usize, span: Span) -> Result<(), Fault> {
        match depth > self.limits.depth {
            true => Err((format!("nested deeper than {} levels", self.limits.depth), span)),
            false => Ok(()),
        }
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<(), Fault> {
        loop {
            match self.required(span)? {
                (Event::SequenceEnd, _) => return Ok(()),
                (event, at) => self.node(None, event, at, depth + 1)?,
            }
        }
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<(), Fault> {
        let first = self.fields.len();
        let mut merged: Vec<Node<'t>> = Vec::new();
        loop {
            let (text, style, tag, at) = match self.required(span)? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, style, _, tag), at) => (text, style, tag, at),
                (_, at) => return Err(("a field's name must be a text".to_owned(), at)),
            };
            let (event, value_at) = self.required(at)?;
            if style == ScalarStyle::Plain && text == "<<" {
                let from = self.nodes.len();
                self.node(None, event, value_at, depth + 1)?;
                merge(&self.nodes.split_off(from), at, &mut merged)?;
                continue;
            }
            let text = match (style, tag) {
                (ScalarStyle::Plain, None) => scalar::name(text).map_err(|why| (why, at))?,
                _ => text,
            };
            self.fields.push(self.nodes.len());
            self.node(Some(Name { text, span: at }), event, value_at, depth + 1)?;
        }
        self.must_differ(first)?;
        self.add_merged(first, merged)?;
        self.fields.truncate(first);
        Ok(())
    }

    fn name_at(&self, at: usize) -> (&str, Span) {
        let name = self.nodes.get(at).and_then(|n| n.name.as_ref());
        name.map_or(("", Span::default()), |n| (&*n.text, n.span))
    }

    /// Refuses a name that is written twice, as Go's strict mode does.
    fn must_differ(&self, first: usize) -> Result<(), Fault> {
        let fields = self.fields.get(first..).unwrap_or_default();
        let twice = if fields.len() <= 8 {
            let is_known = |(n, at): (usize, &usize)| {
                let name = self.name_at(*at).0;
                fields.iter().take(n).any(|before| self.name_at(*before).0 == name)
            };
            fields.iter().enumerate().find(|field| is_known(*field)).map(|(_, at)| at)
        } else {
            let mut seen = HashSet::with_capacity(fields.len());
            fields.iter().find(|at| !seen.insert(self.name_at(**at).0))
        };
        match twice.map(|at| self.name_at(*at)) {
            Some((name, span)) => Err((format!("`{name}` is written twice in the same mapping"), span)),
            None => Ok(()),
        }
    }

    /// What is written beats what is merged, and an earlier merge beats a later one.
    fn add_merged(&mut self, first: usize, merged: Vec<Node<'t>>) -> Result<(), Fault> {
        if merged.is_empty() {
            return Ok(());
        }
        let fields = self.fields.get(first..).unwrap_or_default();
        let mut seen: HashSet<String> = fields.iter().map(|at| self.name_at(*at).0.to_owned()).collect();
        let mut rest = merged.as_slice();
        while let Some(field) = rest.first() {
            let Some((nodes, behind)) = rest.split_at_checked(field.size) else { break };
            if field.name.as_ref().is_some_and(|name| seen.insert(name.text.clone().into_owned())) {
                self.nodes.extend_from_slice(nodes);
            }
            rest = behind;
        }
        Ok(())
    }

    fn span(&self, span: &EventSpan) -> Span {
        let at = self.position(&span.start);
        let start = at.start - self.base.start;
        let end = span.end.byte_offset().unwrap_or(start).max(start);
        // A block scalar's and a plain scalar's end may lie behind blanks and line ends.
        let written = self.text.get(start..end).unwrap_or_default().trim_end().len();
        Span { end: at.start + written, ..at }
    }

    fn position(&self, at: &Marker) -> Span {
        let start = self.base.start + at.byte_offset().unwrap_or(0).min(self.text.len());
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (line, column) = (narrow(at.line()), narrow(at.col()));
        let before = if line <= 1 { self.base.column } else { 1 };
        let line = self.base.line.saturating_add(line.saturating_sub(1));
        Span { line, column: before.saturating_add(column), start, end: start }
    }
}

/// The fields that a `<<` brings.
fn merge<'t>(value: &[Node<'t>], span: Span, into: &mut Vec<Node<'t>>) -> Result<(), Fault> {
    let wrong = |at| Err(("`<<` merges mappings only".to_owned(), at));
    let Some((root, below)) = value.split_first() else { return wrong(span) };
    match root.content {
        Content::Map => into.extend_from_slice(below),
        Content::Scalar(_) => return wrong(span),
        Content::List => {
            let mut rest = below;
            while let Some(item) = rest.first() {
                if !matches!(item.content, Content::Map) {
                    return wrong(item.span);
                }
                let Some((nodes, behind)) = rest.split_at_checked(item.size) else { break };
                into.extend_from_slice(nodes.get(1..).unwrap_or_default());
                rest = behind;
            }
        }
    }
    Ok(())
}

/// The parser's messages begin and end as theirs do; ours begin small and end without a full stop.
fn sentence(message: &str) -> String {
    message.trim().trim_end_matches('.').to_owned()
}
