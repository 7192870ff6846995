//! `granary up`: the whole engine in one process.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};

use super::Failure;
use crate::config::Config;
use crate::config::setting::SETTINGS;
use crate::{node, serving, telemetry};

pub(super) fn command() -> Command {
    let mut command = Command::new("up")
        .about("Run the engine: collector, API, workers and persisters, with an embedded Postgres unless told otherwise")
        .after_help(
            "Settings come from the defaults, then granary.toml (or --config), then GRANARY_* variables, then flags.\n\
             `granary config` prints a commented file with all of them.",
        )
        .arg(Arg::new("config").long("config").value_name("FILE").help("Configuration file [default: granary.toml where there is one]"));
    for setting in SETTINGS {
        let default = if setting.default.is_empty() {
            String::new()
        } else {
            format!(" [default: {}]", setting.default)
        };
        command =
            command.arg(Arg::new(setting.name).long(setting.name).value_name(setting.value).help(format!(
                "{}{default} [env: {}]",
                setting.help,
                setting.variable()
            )));
    }
    command
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let flags: Vec<(&'static str, String)> =
        SETTINGS.iter().filter_map(|s| Some((s.name, matches.get_one::<String>(s.name)?.clone()))).collect();
    let file = matches.get_one::<String>("config").map(PathBuf::from);
    let config = Config::load(&flags, |name| std::env::var(name).ok(), file.as_deref())
        .map_err(|mistakes| Failure::Usage(mistakes.to_string()))?;
    telemetry::init_log(config.log_format, &config.log_level);
    let metrics = telemetry::init_metrics()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let serving = serving::start()?;
    let done = runtime.block_on(node::run(config, metrics, serving.handle()));
    // What still runs on blocking threads after the drain has nothing left to lose.
    serving.shutdown_background();
    runtime.shutdown_background();
    Ok(done?)
}
