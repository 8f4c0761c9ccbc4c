//! Texts and prefixes, and which of them a text is or starts with.
//!
//! In the order of texts, whatever a text starts with stands before it, and everything between such a prefix and
//! the text starts with that prefix as well. So the last entry that is not behind the text either is one of
//! its prefixes or has them all as its own: one binary search, then up from prefix to prefix.

#[derive(Debug, Default)]
pub(super) struct Texts {
    entries: Vec<Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    text: Box<str>,
    /// The longest other entry that it starts with.
    parent: Option<usize>,
    /// Filed under the text as a whole.
    exact: Vec<u32>,
    /// Filed under all that starts with it.
    prefix: Vec<u32>,
}

impl Texts {
    /// Files a rule. Rules come in their order.
    pub(super) fn insert(&mut self, text: &str, whole: bool, rule: u32) {
        let at = match self.entries.binary_search_by(|e| (*e.text).cmp(text)) {
            Ok(at) => at,
            Err(at) => {
                self.entries.insert(at, Entry { text: text.into(), ..Entry::default() });
                at
            }
        };
        let Some(entry) = self.entries.get_mut(at) else { return };
        let list = if whole { &mut entry.exact } else { &mut entry.prefix };
        if list.last() != Some(&rule) {
            list.push(rule);
        }
    }

    /// Links each entry to its prefixes. To be called when all is filed.
    pub(super) fn finish(&mut self) {
        // The entries that the one before starts with, itself included, shortest first.
        let mut chain: Vec<usize> = Vec::new();
        for at in 0..self.entries.len() {
            let Some(text) = self.entries.get(at).map(|e| e.text.clone()) else { return };
            while let Some(last) = chain.last() {
                if self.entries.get(*last).is_some_and(|e| text.starts_with(&*e.text)) {
                    break;
                }
                chain.pop();
            }
            if let Some(entry) = self.entries.get_mut(at) {
                entry.parent = chain.last().copied();
            }
            chain.push(at);
        }
    }

    /// Hands over the lists of all that a text is or starts with.
    pub(super) fn lookup<'t>(&'t self, text: &str, mut found: impl FnMut(&'t [u32])) {
        let behind = self.entries.partition_point(|e| &*e.text <= text);
        let mut next = behind.checked_sub(1);
        while let Some(entry) = next.and_then(|at| self.entries.get(at)) {
            if text.starts_with(&*entry.text) {
                found(&entry.prefix);
                if entry.text.len() == text.len() {
                    found(&entry.exact);
                }
            }
            next = entry.parent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Texts;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_lookup_finds_what_looking_through_finds(
            filed in proptest::collection::vec(("[ab/]{0,4}", any::<bool>()), 0..12),
            text in "[ab/]{0,6}",
        ) {
            let mut texts = Texts::default();
            for (rule, (key, whole)) in (0u32..).zip(&filed) {
                texts.insert(key, *whole, rule);
            }
            texts.finish();
            let mut found = Vec::new();
            texts.lookup(&text, |list| found.extend_from_slice(list));
            found.sort_unstable();
            let takes = |(key, whole): &(String, bool)| if *whole { *key == text } else { text.starts_with(key) };
            let wanted: Vec<u32> =
                (0u32..).zip(&filed).filter(|(_, filed)| takes(filed)).map(|(rule, _)| rule).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
