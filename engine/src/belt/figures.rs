//! Figures that belts report themselves, as `granary_belt_user_<name>` in `/metrics`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use granary_sandbox::{Figure, MetricSink};
use metrics::{Label, Unit, counter, describe_counter, gauge, histogram};

use crate::secrets::Mask;

/// The most series of one belt: the registry keeps each for as long as the engine runs.
const SERIES_MAX: usize = 100;
/// The longest name, label name and label value, in bytes.
const TEXT_BYTES_MAX: usize = 100;
/// The most labels of one figure.
const LABELS_MAX: usize = 8;

/// Registers the help text.
pub fn describe() {
    describe_counter!(
        "granary_belt_figures_dropped_total",
        Unit::Count,
        "Figures of a belt that were dropped: a bad name, or more series than a belt may have"
    );
}

/// The figures of one belt.
pub struct Figures {
    project: String,
    belt: String,
    mask: Mask,
    series: Mutex<HashSet<String>>,
}

impl Figures {
    /// Of the belt with that id. What the mask hides does not show in labels.
    #[must_use]
    pub fn new(project: &str, belt: &str, mask: Mask) -> Self {
        Self { project: project.to_owned(), belt: belt.to_owned(), mask, series: Mutex::default() }
    }

    /// Whether the series is one of those that the belt may have.
    fn admits(&self, name: &str, labels: &[(String, String)]) -> bool {
        let short = |text: &str| text.len() <= TEXT_BYTES_MAX;
        let well_formed = is_name(name)
            && labels.len() <= LABELS_MAX
            && labels.iter().all(|(name, value)| is_name(name) && short(value));
        if !well_formed || labels.iter().any(|(name, _)| name == "project" || name == "belt") {
            return false;
        }
        let mut key = name.to_owned();
        for (name, value) in labels {
            key.push('\0');
            key.push_str(name);
            key.push('\0');
            key.push_str(value);
        }
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.contains(&key) || (series.len() < SERIES_MAX && series.insert(key))
    }

    fn own_labels(&self) -> [Label; 2] {
        [Label::new("project", self.project.clone()), Label::new("belt", self.belt.clone())]
    }
}

impl MetricSink for Figures {
    fn figure(&self, name: &str, figure: Figure, labels: &[(String, String)]) {
        if !self.admits(name, labels) {
            counter!("granary_belt_figures_dropped_total", self.own_labels().iter()).increment(1);
            return;
        }
        let name = format!("granary_belt_user_{name}");
        let theirs =
            labels.iter().map(|(name, value)| Label::new(name.clone(), self.mask.hide(value).into_owned()));
        let labels: Vec<Label> = self.own_labels().into_iter().chain(theirs).collect();
        match figure {
            Figure::Counter(by) => counter!(name, labels.iter()).increment(by),
            Figure::Gauge(value) => gauge!(name, labels.iter()).set(value),
            Figure::Histogram(value) => histogram!(name, labels.iter()).record(value),
        }
    }
}

/// Letters, digits and underscores, a letter first.
fn is_name(name: &str) -> bool {
    name.len() <= TEXT_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn names_and_labels_are_bounded() {
        let figures = Figures::new("p", "1", Mask::default());
        assert!(figures.admits("orders_total", &[label("country", "DE")]));
        for bad in ["", "1st", "a-b", &"x".repeat(101)] {
            assert!(!figures.admits(bad, &[]), "{bad}");
        }
        assert!(!figures.admits("a", &[label("belt", "2")]), "a belt cannot pass for another one");
        assert!(!figures.admits("a", &[label("c", &"x".repeat(101))]));
    }

    #[test]
    fn a_belt_has_so_many_series_and_no_more() {
        let figures = Figures::new("p", "1", Mask::default());
        let admitted = (0..200).filter(|n| figures.admits("a", &[label("n", &n.to_string())])).count();
        assert_eq!(admitted, SERIES_MAX);
        assert!(figures.admits("a", &[label("n", "0")]), "those that are there stay");
    }
}
