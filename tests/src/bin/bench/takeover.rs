//! `takeover_gap_ms`: the longest time without a new row while a belt's program is replaced ten times under 2,000
//! events/s, and the same without replacing. No event may be missing or written twice.

use anyhow::{Result, ensure};
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::takeover::{self, Settings};

use crate::Size;

const PER_SECOND: f64 = 2_000.0;
const TAKEOVERS: u64 = 10;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let events = (size.run.as_secs_f64() * 2.0 * PER_SECOND) as u64;
    let (mut steady, mut replaced) = (Vec::new(), Vec::new());
    let (mut missing, mut doubled) = (0, 0);
    for _ in 0..size.runs {
        for takeovers in [0, TAKEOVERS] {
            let node = crate::node().await?;
            let settings = Settings { per_second: PER_SECOND, events, takeovers };
            let verdict = takeover::run(&node, settings).await?;
            ensure!(verdict.dead_letters == 0, "there are dead letters: no event is bad");
            missing += verdict.findings.missing.len() + verdict.findings.missing_events.len();
            doubled += verdict.findings.repeated.len() + verdict.findings.repeated_events.len();
            if takeovers == 0 {
                steady.push(verdict.longest_gap_ms);
            } else {
                ensure!(verdict.versions_seen > 1, "no other version took over");
                replaced.push(verdict.longest_gap_ms);
            }
        }
    }
    let figure = |name, value, unit, bar| Figure { name, value, unit, bar };
    let none = Some(Bar::AtMost(0.0));
    Ok(vec![
        figure("takeover_missing", missing as f64, "events", none),
        figure("takeover_doubled", doubled as f64, "events", none),
        figure("steady_gap_ms", median(&steady), "ms", None),
        figure("takeover_gap_ms", median(&replaced), "ms", Some(Bar::AtMost(100.0))),
    ])
}
