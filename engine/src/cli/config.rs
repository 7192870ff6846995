//! `granary config`.

use super::Failure;
use crate::config::Config;

pub(super) fn run() -> Result<(), Failure> {
    print!("{}", Config::default_file());
    Ok(())
}
