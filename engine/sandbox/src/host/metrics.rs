//! Figures that a guest reports.

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// Adds to a counter.
    Counter(u64),
    /// Sets a gauge.
    Gauge(f64),
    /// Adds to a histogram.
    Histogram(f64),
}

/// Where the figures of a program go. Called in the middle of a guest's call: it must not block, and must bound the
/// names and labels that it keeps.
pub trait MetricSink: Send + Sync {
    /// Takes one figure. Name and labels are what the guest gave, unchecked.
    fn figure(&self, name: &str, figure: Figure, labels: &[(String, String)]);
}

/// Takes no figures.
#[derive(Debug, Clone, Copy)]
pub struct NoMetrics;

impl MetricSink for NoMetrics {
    fn figure(&self, _: &str, _: Figure, _: &[(String, String)]) {}
}
