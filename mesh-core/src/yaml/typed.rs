//! Trees to typed values, without a detour over JSON values, and with the path of what does not fit.

use super::tree::{Content, Scalar, Tree};
use crate::api::FieldError;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Reads a value; errors name the field below `root`. Nulls count as not written.
///
/// # Errors
/// The first field that is unknown or of the wrong shape.
pub(crate) fn read<T: DeserializeOwned>(root: &str, tree: Tree<'_, '_>) -> Result<T, FieldError> {
    T::deserialize(tree).map_err(|error| {
        let Inner { message, steps } = *error.0;
        let mut path = root.to_owned();
        for step in steps.iter().rev() {
            match step {
                Step::Item(index) => path.push_str(&format!("[{index}]")),
                Step::Field(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
            }
        }
        FieldError { path, message }
    })
}

/// What does not fit, and the way to it from the inside out.
#[derive(Debug)]
pub(crate) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Item(usize),
    Field(String),
}

impl Error {
    fn below(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    fn in_field(self, name: &str) -> Self {
        self.below(Step::Field(name.to_owned()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Inner { message: message.to_string(), steps: Vec::new() }))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Unit => Self::custom(format_args!("invalid type: null, expected {expected}")),
            other => Self::custom(format_args!("invalid type: {other}, expected {expected}")),
        }
    }
}

impl<'a, 't> Tree<'a, 't> {
    fn unexpected(self) -> Unexpected<'a> {
        match self.content() {
            Content::List => Unexpected::Seq,
            Content::Map => Unexpected::Map,
            Content::Scalar(scalar) => match scalar {
                Scalar::Null => Unexpected::Unit,
                Scalar::Bool(b) => Unexpected::Bool(*b),
                Scalar::Int(n) => Unexpected::Signed(*n),
                Scalar::Large(n) => Unexpected::Unsigned(*n),
                Scalar::Float(n) => Unexpected::Float(*n),
                Scalar::Text(text) => Unexpected::Str(text),
            },
        }
    }
}

impl<'de> Deserializer<'de> for Tree<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.content() {
            Content::Scalar(scalar) => match scalar {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(b) => visitor.visit_bool(*b),
                Scalar::Int(n) => match u64::try_from(*n) {
                    Ok(n) => visitor.visit_u64(n),
                    Err(_) => visitor.visit_i64(*n),
                },
                Scalar::Large(n) => visitor.visit_u64(*n),
                Scalar::Float(n) => visitor.visit_f64(*n),
                Scalar::Text(text) => visitor.visit_borrowed_str(text),
            },
            Content::List => {
                let length = self.children().count();
                let mut items = Items { rest: self.children(), next: 0, length };
                let value = visitor.visit_seq(&mut items)?;
                match items.rest.next() {
                    None => Ok(value),
                    Some(_) => Err(Error::invalid_length(length, &"fewer items")),
                }
            }
            Content::Map => visitor.visit_map(Fields { rest: self.fields(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.content() {
            // serde would take its items for the fields, in the order of the declaration.
            Content::List => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Some(variant) = self.text() {
            return visitor.visit_enum(Variant { name: variant, value: None });
        }
        let mut fields = self.fields();
        match (fields.next(), fields.next()) {
            (Some((name, value)), None) => visitor.visit_enum(Variant { name, value: Some(value) }),
            (_, _) if self.is_map() => {
                Err(Error::invalid_value(Unexpected::Map, &"a mapping with a single field"))
            }
            _ => Err(Error::invalid_type(self.unexpected(), &"a text")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

struct Items<'a, 't> {
    rest: super::tree::Children<'a, 't>,
    next: usize,
    length: usize,
}

impl<'de> SeqAccess<'de> for &mut Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.rest.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|e| e.below(Step::Item(index)))
    }

    /// Exact, so that no list keeps room for items that never come.
    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.next)
    }
}

struct Fields<'a, 't, I> {
    rest: I,
    value: Option<(&'a str, Tree<'a, 't>)>,
}

impl<'de, 't, I: Iterator<Item = (&'de str, Tree<'de, 't>)>> MapAccess<'de> for Fields<'de, 't, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(FieldName(name)).map(Some).map_err(|e| e.in_field(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, value)) = self.value.take() else {
            return Err(Error::custom("a value is asked for before its name"));
        };
        seed.deserialize(value).map_err(|e| e.in_field(name))
    }
}

/// The name of a field: a text, which may stand for a number.
struct FieldName<'a>(&'a str);

macro_rules! numbers {
    ($($deserialize:ident: $number:ty, $visit:ident;)+) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse::<$number>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for FieldName<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    numbers! {
        deserialize_bool: bool, visit_bool;
        deserialize_i8: i64, visit_i64;
        deserialize_i16: i64, visit_i64;
        deserialize_i32: i64, visit_i64;
        deserialize_i64: i64, visit_i64;
        deserialize_u8: u64, visit_u64;
        deserialize_u16: u64, visit_u64;
        deserialize_u32: u64, visit_u64;
        deserialize_u64: u64, visit_u64;
        deserialize_f32: f64, visit_f64;
        deserialize_f64: f64, visit_f64;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { name: self.0, value: None })
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// A variant of an enumeration: a text, or the one field of a mapping.
struct Variant<'a, 't> {
    name: &'a str,
    value: Option<Tree<'a, 't>>,
}

impl<'de, 't> EnumAccess<'de> for Variant<'de, 't> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(value) => Err(Error::invalid_type(value.unexpected(), &"no value here").in_field(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        match self.value {
            Some(value) => seed.deserialize(value).map_err(|e| e.in_field(self.name)),
            None => Err(Error::custom(format_args!("`{}` must be a field with a value", self.name))),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.struct_variant(&[], visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Some(value) => value.deserialize_any(visitor).map_err(|e| e.in_field(self.name)),
            None => Err(Error::invalid_type(Unexpected::UnitVariant, &visitor)),
        }
    }
}
