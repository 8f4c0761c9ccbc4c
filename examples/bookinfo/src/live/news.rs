//! What is new to say about the configuration, for whoever paints: text that two print at once on one
//! terminal would run together, so the painter prints the findings itself.

use bookinfo::table::Style;
use mesh_core::diagnostic::{self, Color, Finding, Level};

/// Remembers what was said.
#[derive(Debug, Default)]
pub(super) struct News {
    said: Vec<Finding>,
}

impl News {
    /// Of the findings in force, those that were not before, as a compiler prints them; empty if there is
    /// nothing new.
    pub(super) fn of(&mut self, now: Vec<Finding>, style: Style) -> String {
        let new: Vec<Finding> =
            now.iter().filter(|f| f.level > Level::Info && !self.said.contains(f)).cloned().collect();
        let color = match style {
            Style::Plain => Color::Never,
            Style::Color => Color::Always,
        };
        let mut text = diagnostic::text(&new, color);
        text.push_str(&control_plane::healed(&self.said, &now).unwrap_or_default());
        self.said = now;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_news_once_and_so_is_the_end_of_all_errors() {
        let (error, warning) = (
            Finding::error("IST0106", "a weight is missing"),
            Finding::warning("IST0103", "no such gateway"),
        );
        let mut news = News::default();
        assert_eq!(news.of(vec![], Style::Plain), "");
        let said = news.of(vec![error.clone(), warning.clone()], Style::Plain);
        assert!(said.contains("error[IST0106]") && said.contains("warning[IST0103]"), "{said}");
        assert!(!said.contains('\x1b'), "{said}");
        assert_eq!(news.of(vec![error.clone(), warning.clone()], Style::Plain), "");
        assert_eq!(
            news.of(vec![warning], Style::Plain),
            "the configuration has no errors any more; 1 warning is left\n"
        );
        let said = news.of(vec![error], Style::Color);
        assert!(said.contains("\x1b[") && !said.contains("IST0103"), "{said}");
    }
}
