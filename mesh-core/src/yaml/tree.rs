//! A document as a tree that knows where each of its parts stands.
//!
//! The nodes of a document lie in one list, each before those below it; a part of the tree is a part of the
//! list. So a document costs no allocation per value, and an alias is a copy of a range.

use super::scalar;
use crate::diagnostic::Span;
use crate::diagnostic::outline::{Outline, Shape, Writer};
use serde_json::Value;
use std::borrow::Cow;

/// A value, its name and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'t> {
    pub(super) name: Option<Name<'t>>,
    pub(super) content: Content<'t>,
    pub(super) span: Span,
    /// How many nodes it is, with itself.
    pub(super) size: usize,
}

/// The name of a field.
#[derive(Clone, Debug)]
pub(super) struct Name<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) span: Span,
}

/// What a node holds; what is below it follows it in the list.
#[derive(Clone, Debug)]
pub(super) enum Content<'t> {
    Scalar(Scalar<'t>),
    List,
    Map,
}

/// A value without parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'t> {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond `Int`.
    Large(u64),
    Float(f64),
    Text(Cow<'t, str>),
}

impl Scalar<'_> {
    fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::from(*n),
            Self::Large(n) => Value::from(*n),
            Self::Float(n) => Value::from(*n),
            Self::Text(text) => Value::String(text.clone().into_owned()),
        }
    }
}

/// A node and all that is below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<'a, 't> {
    node: &'a Node<'t>,
    below: &'a [Node<'t>],
}

static NOTHING: Node<'static> =
    Node { name: None, content: Content::Map, span: Span { line: 0, column: 0, start: 0, end: 0 }, size: 1 };

impl<'a, 't> Tree<'a, 't> {
    /// A mapping without fields.
    pub(crate) fn empty() -> Tree<'static, 'static> {
        Tree { node: &NOTHING, below: &[] }
    }

    /// The tree that a list of nodes is; `None` of an empty list.
    pub(super) fn of(nodes: &'a [Node<'t>]) -> Option<Self> {
        let (node, below) = nodes.split_first()?;
        Some(Self { node, below })
    }

    pub(super) fn name(self) -> Option<&'a str> {
        self.node.name.as_ref().map(|n| &*n.text)
    }

    pub(super) fn content(self) -> &'a Content<'t> {
        &self.node.content
    }

    pub(super) fn span(self) -> Span {
        self.node.span
    }

    pub(crate) fn is_map(self) -> bool {
        matches!(self.node.content, Content::Map)
    }

    pub(crate) fn is_null(self) -> bool {
        matches!(self.node.content, Content::Scalar(Scalar::Null))
    }

    /// The text of a scalar that is one.
    pub(super) fn text(self) -> Option<&'a str> {
        match &self.node.content {
            Content::Scalar(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The items of a list or the fields of a mapping.
    pub(super) fn children(self) -> Children<'a, 't> {
        Children { rest: self.below }
    }

    /// The fields of a mapping that are written, with their names: a null is a field that is not written,
    /// as Kubernetes and protobuf read it.
    pub(crate) fn fields(self) -> impl Iterator<Item = (&'a str, Self)> {
        let all = self.is_map().then(|| self.children()).into_iter().flatten();
        all.filter(|field| !field.is_null()).filter_map(|field| Some((field.name()?, field)))
    }

    /// A field of a mapping, be it null.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        let all = self.is_map().then(|| self.children()).into_iter().flatten();
        all.into_iter().find(|field| field.name() == Some(name))
    }

    /// How deep it is; a scalar is one deep. Depth is bounded by [`Limits::depth`](super::Limits::depth).
    pub(super) fn depth(self) -> usize {
        1 + self.children().map(Tree::depth).max().unwrap_or(0)
    }

    /// The items of a `List`, and of `List`s in it, or the document itself; nulls are no documents.
    pub(super) fn documents(self, each: &mut impl FnMut(Self)) {
        let is_list = self.field("kind").and_then(Self::text).is_some_and(|kind| kind.ends_with("List"));
        match self.field("items").filter(|_| is_list) {
            Some(items) if items.is_null() => {}
            Some(items) if matches!(items.node.content, Content::List) => {
                items.children().for_each(|item| item.documents(each));
            }
            _ if self.is_null() => {}
            _ => each(self),
        }
    }

    /// The same as JSON.
    pub(super) fn to_value(self) -> Value {
        match &self.node.content {
            Content::Scalar(scalar) => scalar.to_value(),
            Content::List => self.children().map(Self::to_value).collect(),
            Content::Map => {
                let field = |f: Self| (f.name().unwrap_or_default().to_owned(), f.to_value());
                Value::Object(self.children().map(field).collect())
            }
        }
    }

    /// Where its fields stand in the text.
    pub(super) fn outline(self, text: &str) -> Outline {
        let mut writer = Writer::new(text, self.span());
        self.write(&mut writer, false);
        writer.finish()
    }

    fn write(self, writer: &mut Writer<'_>, is_field: bool) {
        let name = self.node.name.as_ref().filter(|_| is_field).map(|n| (&*n.text, n.span));
        let shape = match self.node.content {
            Content::Scalar(_) => Shape::Scalar,
            Content::List => Shape::List,
            Content::Map => Shape::Map,
        };
        // What a caret under a whole block would hide, one under its name or its first part shows.
        let stands_for_itself = match name {
            Some(_) => shape == Shape::Scalar && !self.node.span.is_empty(),
            None => shape == Shape::Scalar || self.below.is_empty(),
        };
        let is_map = shape == Shape::Map;
        writer.node(name, stands_for_itself.then_some(self.node.span), shape, |writer| {
            // Backwards, as the writer wants it.
            let children: Vec<Self> = self.children().collect();
            children.into_iter().rev().for_each(|child| child.write(writer, is_map));
        });
    }
}

/// The trees below a tree.
#[derive(Clone, Debug)]
pub(super) struct Children<'a, 't> {
    rest: &'a [Node<'t>],
}

impl<'a, 't> Iterator for Children<'a, 't> {
    type Item = Tree<'a, 't>;

    fn next(&mut self) -> Option<Self::Item> {
        let (nodes, rest) = self.rest.split_at_checked(self.rest.first()?.size)?;
        self.rest = rest;
        Tree::of(nodes)
    }
}

/// The nodes of a JSON value, which stands nowhere.
pub(crate) fn of_value(value: &Value) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    push_value(value, None, &mut nodes);
    nodes
}

/// As deep as the value; whoever made it has bounded that.
fn push_value<'v>(value: &'v Value, name: Option<&'v str>, into: &mut Vec<Node<'v>>) {
    let at = into.len();
    let content = match value {
        Value::Null => Content::Scalar(Scalar::Null),
        Value::Bool(b) => Content::Scalar(Scalar::Bool(*b)),
        Value::Number(n) => Content::Scalar(scalar::of_number(n)),
        Value::String(text) => Content::Scalar(Scalar::Text(text.into())),
        Value::Array(_) => Content::List,
        Value::Object(_) => Content::Map,
    };
    let name = name.map(|text| Name { text: text.into(), span: Span::default() });
    into.push(Node { name, content, span: Span::default(), size: 1 });
    match value {
        Value::Array(items) => items.iter().for_each(|item| push_value(item, None, into)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| push_value(value, Some(name), into)),
        _ => {}
    }
    let size = into.len() - at;
    if let Some(node) = into.get_mut(at) {
        node.size = size;
    }
}

/// The nodes as a tree.
pub(crate) fn root<'a, 't>(nodes: &'a [Node<'t>]) -> Tree<'a, 't> {
    Tree::of(nodes).unwrap_or(Tree { node: &NOTHING, below: &[] })
}
