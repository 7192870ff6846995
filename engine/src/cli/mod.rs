//! The command line. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod belt;
mod client;
mod compile;
mod config;
mod dlq;
mod harvester;
mod node;
mod remote;
mod secret;
mod sql;
mod stream;
mod token;
mod up;

use std::process::ExitCode;

use clap::{Command, FromArgMatches, Subcommand};

/// Why a command ended without success.
#[derive(Debug)]
enum Failure {
    /// The command was understood but could not be carried out.
    Failed(anyhow::Error),
    /// The command line or the configuration is wrong.
    Usage(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

#[derive(Subcommand)]
enum Commands {
    /// Write a belt, test it, upload it, look after it
    Belt(Box<belt::Belt>),
    /// List, inspect, retry and discard what could not be processed
    Dlq(Box<dlq::Dlq>),
    /// Try a harvester's transform and expressions before they run
    Harvester(Box<harvester::Harvester>),
    /// Show the processes of an installation, and who works on what
    Node(node::Node),
    /// Set, list and delete secrets, which belts get as variables
    Secret(secret::Secret),
    /// Run one SQL statement in a project and print the rows; without a statement, open psql
    Sql(sql::Sql),
    /// Look into the streams, export them, check the log and go on after damage
    Stream(Box<stream::Stream>),
    /// Make, list and revoke access tokens
    Token(token::Token),
    /// Print a commented configuration file with every default
    Config,
    CompileRuntimes(compile::Compile),
}

fn command() -> Command {
    let command = Command::new("granary")
        .version(crate::version::VERSION)
        .about("A stream engine: events over HTTP, your code in WebAssembly, tables in Postgres")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(up::command());
    Commands::augment_subcommands(command)
}

/// Parses the arguments of this process and carries the command out.
#[must_use]
pub fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => {
            let _ = e.print();
            // clap: 0 for help and version, 2 for mistakes.
            return u8::try_from(e.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let done = if let Some(("up", up)) = matches.subcommand() {
        up::run(up)
    } else {
        match Commands::from_arg_matches(&matches) {
            Ok(Commands::Belt(belt)) => block_on(belt.run()),
            Ok(Commands::Dlq(dlq)) => block_on(dlq.run()),
            Ok(Commands::Harvester(harvester)) => block_on(harvester.run()),
            Ok(Commands::Node(node)) => block_on(node.run()),
            Ok(Commands::Secret(secret)) => block_on(secret.run()),
            Ok(Commands::Sql(sql)) => block_on(sql.run()),
            Ok(Commands::Stream(stream)) => block_on(stream.run()),
            Ok(Commands::Token(token)) => block_on(token.run()),
            Ok(Commands::Config) => config::run(),
            Ok(Commands::CompileRuntimes(compile)) => block_on(compile.run()),
            Err(e) => Err(Failure::Usage(e.to_string())),
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            eprintln!("granary: {error:#}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(text)) => {
            eprintln!("granary: {text}");
            ExitCode::from(2)
        }
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
