//! `outboundHosts`: the hosts that a belt may send requests to.

use super::Belt;
use crate::{HostPattern, Report};

const HOSTS_MAX: usize = 100;

impl Belt {
    /// The hosts that it is granted. What is no host, which no stored belt has, is left out.
    #[must_use]
    pub fn outbound(&self) -> Vec<HostPattern> {
        self.outbound_hosts.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Names each grant that the operator of the engine does not allow.
    pub fn check_outbound(&self, allowed: &[HostPattern], report: &mut Report) {
        for (index, grant) in self.outbound().iter().enumerate() {
            if !allowed.iter().any(|setting| setting.covers(grant)) {
                let hosts = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let hosts = if hosts.is_empty() { "none".to_owned() } else { hosts };
                report.problem(
                    format!("outboundHosts[{index}]"),
                    format!(
                        "must be within what the operator of this engine allows with --outbound-hosts ({hosts}) but is \
                         '{grant}'"
                    ),
                );
            }
        }
    }
}

/// Names each entry that is no host.
pub(super) fn check(belt: &Belt, report: &mut Report) {
    let count = belt.outbound_hosts.len();
    if count > HOSTS_MAX {
        return report
            .problem("outboundHosts", format!("must name at most {HOSTS_MAX} hosts but names {count}"));
    }
    for (index, text) in belt.outbound_hosts.iter().enumerate() {
        let field = format!("outboundHosts[{index}]");
        match text.parse::<HostPattern>() {
            Ok(pattern) if pattern.is_any() => {
                report.problem(field, "must name hosts: '*' is only for the operator's --outbound-hosts");
            }
            Ok(_) => {}
            Err(reason) => report.problem(field, reason),
        }
    }
}
