//! `newcomer_python_s` and its sisters: from an empty directory to the first row on a running engine, with four commands.

use anyhow::Result;
use granary_tests::figure::{Figure, median};
use granary_tests::newcomer::{Lang, path};

use crate::Size;

/// Each run on an engine of its own.
pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for lang in Lang::ALL {
        let mut seconds = Vec::new();
        for _ in 0..size.runs {
            seconds.push(path(&crate::node().await?, lang).await?);
        }
        figures.push(lang.figure(median(&seconds)));
    }
    Ok(figures)
}
