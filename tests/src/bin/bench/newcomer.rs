//! `newcomer_python_s` and its sisters: from an empty directory to the first row on a running engine, with four commands.

use anyhow::Result;
use granary_tests::figure::Figure;
use granary_tests::newcomer::{Lang, path};

/// Each once, on an engine of its own.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for lang in Lang::ALL {
        figures.push(lang.figure(path(&crate::node().await?, lang).await?));
    }
    Ok(figures)
}
