//! Runs transform scripts written in Groovy.
//!
//! A script is compiled once ([`Script::compile`]) and run once per record ([`Script::run`]). It can reach nothing but
//! what the [`Host`] offers: a log, the time, random ids and the reader for records of the collector. Every run is
//! bounded by [`Limits`], and leaves nothing behind.
//!
//! The way of a script: `granary_scriptable` restores line ends, `lexer` and `parser` build the tree of `syntax`, `scope` finds out
//! what names mean and refuses classes that are not there, `machine` walks the tree, `library` knows the methods of
//! values, `outcome` turns the script's value into messages.

mod class;
mod compare;
mod debt;
mod decimal;
mod diagnostic;
mod document;
mod field;
mod host;
mod json;
mod lexer;
mod library;
mod limits;
mod machine;
mod names;
mod number;
mod outcome;
mod parser;
mod pattern;
mod raise;
mod scope;
mod show;
pub mod subset;
mod syntax;
mod token;
mod value;

use std::rc::Rc;

pub use diagnostic::{Diagnostic, Severity};
pub use document::document;
pub use field::Field;
pub use host::{Host, Level, SnowplowFields};
pub use limits::Limits;
pub use outcome::{Failure, Outcome};

use diagnostic::Refusal;
use machine::{Caches, Machine};
use syntax::Program;
use value::{Entries, Key, Value};

/// Scripts longer than this are refused.
const SOURCE_BYTES_MAX: usize = 1 << 20;

/// A compiled script.
#[derive(Debug)]
pub struct Script {
    program: Rc<Program>,
    caches: Caches,
}

/// Compiles a text as it is.
fn compile(text: &str) -> Result<(Program, Vec<Refusal>), Refusal> {
    let tokens = lexer::tokens(text)?;
    let source: Vec<char> = text.chars().collect();
    let mut program = parser::program(&tokens, &source)?;
    let warnings = scope::resolve(&mut program, &scope::known(&tokens))?;
    Ok((program, warnings))
}

impl Script {
    /// Compiles a script in any of the forms in which scripts arrive; the warnings.
    ///
    /// # Errors
    /// What refuses the script, with places in the text after line ends were restored.
    pub fn compile(source: &str) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        if source.len() > SOURCE_BYTES_MAX {
            let message = format!("the script is longer than {SOURCE_BYTES_MAX} bytes; move data out of it");
            return Err(vec![Diagnostic::new(Severity::Error, Default::default(), message, "")]);
        }
        let granary_scriptable::Unescaped { text, quoted } = granary_scriptable::unescape(source);
        let diagnostic = |severity, refusal: Refusal, text: &str| {
            Diagnostic::new(severity, refusal.at, refusal.message, text)
        };
        let (text, compiled) = match compile(&text) {
            Ok(compiled) => (text, compiled),
            // A script of one line may begin and end with texts of its own.
            Err(refusal) => match quoted.map(|quoted| (compile(&quoted), quoted)) {
                Some((Ok(compiled), quoted)) => (quoted, compiled),
                _ => return Err(vec![diagnostic(Severity::Error, refusal, &text)]),
            },
        };
        let (program, warnings) = compiled;
        let warnings =
            warnings.into_iter().map(|refusal| diagnostic(Severity::Warning, refusal, &text)).collect();
        Ok((Self { program: Rc::new(program), caches: Caches::default() }, warnings))
    }

    /// Runs the script for a record.
    ///
    /// # Errors
    /// For an exception that the script does not catch, for a limit that is reached, and for values that are no message.
    pub fn run(
        &self,
        payload: &[u8],
        headers: &[(String, String)],
        host: &mut dyn Host,
        limits: Limits,
    ) -> Result<Outcome, Failure> {
        self.run_with(payload, headers, host, limits, outcome::outcome_of)
    }

    /// Runs the script and answers its value as JSON, written as `JsonOutput.toJson` does.
    ///
    /// # Errors
    /// As [`Script::run`].
    pub fn evaluate(&self, payload: &[u8], host: &mut dyn Host, limits: Limits) -> Result<String, Failure> {
        self.run_with(payload, &[], host, limits, |machine, value| {
            machine.json_of(value, library::json::Style::SCRIPT)
        })
    }

    fn run_with<T>(
        &self,
        payload: &[u8],
        headers: &[(String, String)],
        host: &mut dyn Host,
        limits: Limits,
        answer: impl FnOnce(&mut Machine<'_>, &Value) -> raise::Run<T>,
    ) -> Result<T, Failure> {
        let mut machine = Machine::new(&self.program, &self.caches, host, limits);
        let entries: Entries =
            headers.iter().map(|(name, value)| (Key(Value::text(name)), Value::text(value))).collect();
        let variables = [Value::Bytes(payload.into()), Value::map(entries)];
        let value = machine.run_script(variables);
        let answered = value.and_then(|value| answer(&mut machine, &value));
        // What was noted last counts, too.
        let answered = answered.and_then(|answered| machine.step(0).map(|()| answered));
        answered.map_err(|raised| Failure::of(&raised, &mut machine))
    }
}
