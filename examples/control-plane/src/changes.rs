//! What an edit has changed, for the log: who edits sees at once that it was read, and what of it counts.

use mesh_core::watch::Watch;
use mesh_core::world::{Key, World};
use std::fmt;

/// So many are named; of more it is only told how many.
const NAMED: usize = 5;

/// Logs a line per edit, until the source ends.
pub(crate) async fn log(mut worlds: Watch<World>) {
    let Ok(mut before) = worlds.ready().await else { return };
    while let Ok(now) = worlds.changed().await {
        let changes = Changes::between(&before, &now);
        if !changes.0.is_empty() {
            tracing::info!(version = %now.version(), "the configuration has changed: {changes}");
        }
        before = now;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Added,
    Changed,
    Removed,
}

/// Which resources differ.
#[derive(Debug)]
struct Changes(Vec<(How, Key)>);

impl Changes {
    fn between(before: &World, now: &World) -> Self {
        let find =
            |world: &World, key: &Key| world.find(&key.group, &key.kind, &key.namespace, &key.name).cloned();
        let new = now.iter().filter_map(|resource| {
            let key = Key::of(resource.meta());
            match find(before, &key) {
                None => Some((How::Added, key)),
                Some(old) => (!old.says_the_same(resource)).then_some((How::Changed, key)),
            }
        });
        let old = before.iter().map(|resource| Key::of(resource.meta()));
        let gone = old.filter(|key| find(now, key).is_none()).map(|key| (How::Removed, key));
        Self(new.chain(gone).collect())
    }
}

impl fmt::Display for Changes {
    /// `VirtualService default/reviews changed, Sidecar default/a removed, and 3 more`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (how, key)) in self.0.iter().take(NAMED).enumerate() {
            let how = match how {
                How::Added => "added",
                How::Changed => "changed",
                How::Removed => "removed",
            };
            write!(f, "{}{key} {how}", if i > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(version: &str, services: &[(&str, u16)]) -> World {
        let text: String = services
            .iter()
            .map(|(name, port)| {
                format!(
                    "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
                     spec: {{ports: [{{name: http, port: {port}}}]}}\n---\n"
                )
            })
            .collect();
        let parsed = mesh_core::yaml::resources("a.yaml", &text, &Default::default());
        World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), version)
    }

    #[test]
    fn an_edit_is_told_by_what_it_adds_changes_and_removes() {
        let before = world("1", &[("a", 1), ("b", 1), ("c", 1)]);
        let said = |now: &World| Changes::between(&before, now).to_string();
        assert_eq!(
            said(&world("2", &[("a", 1), ("b", 2), ("d", 1)])),
            "Service shop/b changed, Service shop/d added, Service shop/c removed"
        );
        assert_eq!(said(&world("3", &[("a", 1), ("b", 1), ("c", 1)])), "", "a comment changes nothing");
        assert!(
            Changes::between(&World::empty(), &world("4", &["a", "b", "c", "d", "e", "f"].map(|n| (n, 1))))
                .to_string()
                .ends_with(", and 1 more")
        );
    }
}
