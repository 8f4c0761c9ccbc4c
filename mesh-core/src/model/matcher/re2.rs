//! RE2's syntax in that of the `regex` crate.
//!
//! ```text
//! pattern as written ─[translate]─▶ the same language for `regex`, or why RE2 refuses it
//! ```
//!
//! Users write patterns for Envoy, which compiles them with RE2; routes and rules must mean the same here. The two
//! are cousins that differ in what they accept (`\Q…\E` and octal escapes are RE2's alone; `(?x)`, `a**`, `\u0041`,
//! `{,3}` and operations on classes are the crate's) and, where nobody would look, in what they mean: `\d`, `\w`, `\s` and `\b` are of
//! ASCII in RE2, `\<` is a character there, `[a&&b]` a class of two. What is refused here is what RE2 refuses; the
//! crate checks the rest when it compiles.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// RE2's bound on a counted repetition, and on such repetitions within each other.
const MAX_REPEAT: u32 = 1000;

/// The pattern in the crate's syntax.
///
/// # Errors
/// What in it RE2 does not know.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len()),
        names: HashSet::new(),
        groups: Vec::new(),
        here: 1,
        last: 1,
        repeated: false,
    };
    while let Some(c) = reader.rest.next() {
        reader.token(c)?;
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Names of groups so far.
    names: HashSet<String>,
    /// Of each group that is open, how often its parts so far are repeated.
    groups: Vec<u32>,
    /// The same of the innermost.
    here: u32,
    /// How often parts of what was read last are repeated.
    last: u32,
    /// Whether a repetition was read last.
    repeated: bool,
}

impl Reader<'_> {
    fn token(&mut self, c: char) -> Result<(), String> {
        let repeats = match c {
            '*' | '+' | '?' => {
                self.repeat(c.to_string(), 1)?;
                true
            }
            '{' => match self.count()? {
                Some((text, most)) => {
                    self.repeat(text, most)?;
                    true
                }
                None => {
                    self.literal('{');
                    false
                }
            },
            other => {
                self.last = 1;
                self.atom(other)?;
                false
            }
        };
        self.repeated = repeats;
        self.here = self.here.max(self.last);
        Ok(())
    }

    fn atom(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => {
                if self.open()? {
                    self.groups.push(self.here);
                    self.here = 1;
                }
            }
            ')' => {
                self.out.push(')');
                self.last = self.here;
                self.here = self.groups.pop().unwrap_or(1);
            }
            '}' | ']' => self.literal(c),
            other => self.out.push(other),
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.last = 1;
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            // Any character can be written so, inside of classes and outside.
            let _ = write!(self.out, "\\x{{{:x}}}", u32::from(c));
        } else {
            self.out.push(c);
        }
    }

    /// Repeats what was read last, so often at most.
    fn repeat(&mut self, operator: String, most: u32) -> Result<(), String> {
        if self.repeated {
            return Err(format!("`{operator}` repeats a repetition: put what is repeated in parentheses"));
        }
        self.last = self.last.saturating_mul(most.max(1));
        if self.last > MAX_REPEAT {
            return Err(format!("more than {MAX_REPEAT} repetitions"));
        }
        self.out.push_str(&operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(())
    }

    /// Reads a counted repetition behind its `{`; what is none is text.
    fn count(&mut self) -> Result<Option<(String, u32)>, String> {
        let mut ahead = self.rest.clone();
        let Some(text) = take_until(&mut ahead, '}') else { return Ok(None) };
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let plain = is_number && (text == "0" || !text.starts_with('0'));
            plain.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let (least, most) = match text.split_once(',') {
            None => (number(&text), number(&text)),
            Some((least, "")) => (number(least), number(least)),
            Some((least, most)) => (number(least), number(most)),
        };
        let (Some(least), Some(most)) = (least, most) else { return Ok(None) };
        if least > MAX_REPEAT || most > MAX_REPEAT {
            return Err(format!("more than {MAX_REPEAT} repetitions: `{{{text}}}`"));
        }
        if most < least {
            return Err(format!("`{{{text}}}` ends before it begins"));
        }
        self.rest = ahead;
        Ok(Some((format!("{{{text}}}"), most)))
    }

    /// Reads what stands behind a `(`, and whether a group begins there.
    fn open(&mut self) -> Result<bool, String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(true);
        }
        let mut ahead = self.rest.clone();
        let first = ahead.next();
        let second = ahead.next();
        let name = match (first, second) {
            (Some('='), _) | (Some('!'), _) | (Some('<'), Some('=' | '!')) => {
                return Err("look-around, such as (?=a) and (?!a), is not part of RE2".to_owned());
            }
            (Some('P'), Some('<')) => {
                self.rest = ahead;
                take_until(&mut self.rest, '>')
            }
            (Some('<'), _) => {
                self.rest.next();
                take_until(&mut self.rest, '>')
            }
            _ => return self.flags(),
        };
        let name =
            name.filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        let Some(name) = name else {
            return Err("a group's name has letters, digits and underscores".to_owned());
        };
        if !self.names.insert(name.clone()) {
            return Err(format!("two groups have the name `{name}`"));
        }
        // Nobody asks for groups by their names.
        Ok(true)
    }

    /// Reads the flags behind `(?`: `i`, `m`, `s` and `U`, some of them switched off behind a `-`. Whether a group
    /// begins behind them.
    fn flags(&mut self) -> Result<bool, String> {
        self.out.push('?');
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U' | '-')) => self.out.push(flag),
                Some(end @ (':' | ')')) => {
                    self.out.push(end);
                    return Ok(end == ':');
                }
                Some(other) => return Err(format!("`(?{other}` is not part of RE2")),
                None => return Err("a `(?` without an end".to_owned()),
            }
        }
    }

    /// Reads what stands behind a backslash, outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek().copied() {
            Some('Q') => {
                self.rest.next();
                self.quoted();
            }
            Some('A') => self.as_it_is("\\A"),
            Some('z') => self.as_it_is("\\z"),
            Some('b') => self.as_it_is("(?-u:\\b)"),
            Some('B') => self.as_it_is("(?-u:\\B)"),
            Some(c @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                self.rest.next();
                let not = if c.is_ascii_uppercase() { "^" } else { "" };
                let _ = write!(self.out, "[{not}{}]", ascii(c));
            }
            Some('p' | 'P') => self.unicode()?,
            _ => {
                let c = self.character()?;
                self.literal(c);
            }
        }
        Ok(())
    }

    fn as_it_is(&mut self, text: &str) {
        self.rest.next();
        self.out.push_str(text);
    }

    /// Reads text up to `\E`.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    /// Reads an escape that stands for one character, behind its backslash.
    fn character(&mut self) -> Result<char, String> {
        let Some(c) = self.rest.next() else { return Err("a backslash at the end".to_owned()) };
        let octal = |c: &char| ('0'..='7').contains(c);
        Ok(match c {
            '0'..='7' if c == '0' || self.rest.peek().is_some_and(octal) => {
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.next_if(octal) else { break };
                    value = value * 8 + digit.to_digit(8).unwrap_or(0);
                }
                char::from_u32(value).ok_or("an octal escape of no character")?
            }
            '0'..='9' => return Err(format!("back-references, such as `\\{c}`, are not part of RE2")),
            'x' => self.hexadecimal()?,
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            other => return Err(format!("`\\{other}` is not an escape of RE2")),
        })
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let (digits, complete) = match self.rest.next_if_eq(&'{') {
            Some(_) => (take_until(&mut self.rest, '}').unwrap_or_default(), true),
            None => {
                let two: String = self.rest.by_ref().take(2).collect();
                let complete = two.len() == 2;
                (two, complete)
            }
        };
        let legal = complete && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let value = if legal { u32::from_str_radix(&digits, 16).ok() } else { None };
        value.and_then(char::from_u32).ok_or_else(|| format!("`\\x{digits}` is not a character"))
    }

    /// Reads a Unicode class from its `p` or `P` on.
    fn unicode(&mut self) -> Result<(), String> {
        let mut negated = self.rest.next() == Some('P');
        let name = match self.rest.next() {
            Some('{') => take_until(&mut self.rest, '}').unwrap_or_default(),
            Some(c) => c.to_string(),
            None => String::new(),
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name.as_str(),
        };
        let mut letters = name.chars();
        let is_category = name.len() <= 2
            && letters.next().is_some_and(|c| "LMNPSZC".contains(c))
            && letters.all(|c| c.is_ascii_lowercase());
        let is_script = name.len() > 2
            && name.split('_').all(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
            && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        let letter = if negated { 'P' } else { 'p' };
        let _ = match name {
            "Any" => write!(self.out, "\\{letter}{{Any}}"),
            _ if is_category => write!(self.out, "\\{letter}{{gc={name}}}"),
            _ if is_script => write!(self.out, "\\{letter}{{sc={name}}}"),
            _ => return Err(format!("`\\{letter}{{{name}}}` is not a class of RE2")),
        };
        Ok(())
    }

    /// Reads a class behind its `[`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.rest.next() else { return Err("a `[` without its `]`".to_owned()) };
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if c == '[' && self.named_class()? {
                continue;
            }
            if c == '\\' && self.class_in_class()? {
                continue;
            }
            let from = if c == '\\' { self.character()? } else { c };
            self.literal(from);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
                self.rest.next();
                let to = match self.rest.next() {
                    Some('\\') => self.character()?,
                    Some(c) => c,
                    None => return Err("a `[` without its `]`".to_owned()),
                };
                self.out.push('-');
                self.literal(to);
            }
        }
    }

    /// `[:alpha:]` and the like, behind the first bracket.
    fn named_class(&mut self) -> Result<bool, String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "word", "xdigit",
        ];
        let mut ahead = self.rest.clone();
        if ahead.next() != Some(':') {
            return Ok(false);
        }
        let Some(name) = take_until(&mut ahead, ':') else { return Ok(false) };
        if ahead.next() != Some(']') {
            return Ok(false);
        }
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(&name)) {
            return Err(format!("`[:{name}:]` is not a class of RE2"));
        }
        let _ = write!(self.out, "[:{name}:]");
        self.rest = ahead;
        Ok(true)
    }

    /// `\d` and the like within a class, behind the backslash.
    fn class_in_class(&mut self) -> Result<bool, String> {
        match self.rest.peek().copied() {
            Some(c @ ('d' | 's' | 'w')) => self.as_it_is(ascii(c)),
            Some(c @ ('D' | 'S' | 'W')) => self.as_it_is(&format!("[^{}]", ascii(c))),
            Some('p' | 'P') => self.unicode()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What `\d`, `\s` and `\w` are in RE2.
fn ascii(class: char) -> &'static str {
    match class {
        'd' | 'D' => "0-9",
        's' | 'S' => "\\t\\n\\x{c}\\r\\x{20}",
        _ => "0-9A-Za-z_",
    }
}

/// The text before a character, which is read too; `None`, with nothing said of what was read, without it.
fn take_until(rest: &mut Peekable<Chars<'_>>, end: char) -> Option<String> {
    let mut text = String::new();
    for c in rest.by_ref() {
        if c == end {
            return Some(text);
        }
        text.push(c);
    }
    None
}
