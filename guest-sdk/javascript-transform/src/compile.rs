//! From the text of a script to byte code that answers the script's last value.
//!
//! A script is the code of a program: its value is that of the last statement that has one, and `var` makes globals. The
//! engine runs the byte code of a program as often as it is told, but would refuse `let`, `const` and `class` the second
//! time, as they are declared already. So the program is put into a block, whose value is the same and whose
//! declarations end with it.
//!
//! A program cannot `return`. Scripts that do, because the other languages can, run as a function.

use std::ffi::{CStr, CString};

use granary_scriptable::{Unescaped, excerpt, unescape};
use rquickjs::qjs;
use rquickjs::{Ctx, Value};

use crate::failure::place_of;

/// The name of the script in traces.
pub(crate) const FILE: &CStr = c"script";
/// Scripts longer than this are refused.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// In longer texts a mistake is told with its line only.
const SEARCHED_BYTES_MAX: usize = 1 << 17;

/// One thing that is wrong with a script and refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub message: String,
    /// 1-based line, 0 where there is none.
    pub line: u32,
    /// 1-based column, 0 where there is none.
    pub column: u32,
    /// The line of the script, and below it a caret under the column; empty where there is none.
    pub excerpt: String,
}

impl Diagnostic {
    /// One that is about the script as a whole.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: 0, column: 0, excerpt: String::new() }
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { message, line, column, excerpt } = self;
        write!(f, "line {line}, column {column}: {message}\n{excerpt}")
    }
}

/// A compiled script.
pub(crate) struct Program<'js> {
    /// The engine's byte code, for [`run`].
    pub(crate) code: Value<'js>,
    /// The script, for places in it.
    pub(crate) source: Source,
}

/// The text of a script as its author sees it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) text: String,
    /// How many columns the first line was moved to the right.
    pub(crate) shift: u32,
}

/// Compiles a script in any of the forms in which scripts arrive.
pub(crate) fn compile<'js>(ctx: &Ctx<'js>, source: &str) -> Result<Program<'js>, Diagnostic> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!(
            "the script is longer than the {SOURCE_BYTES_MAX} bytes that are allowed; move data out of it"
        );
        return Err(Diagnostic::general(message));
    }
    if source.contains('\0') {
        return Err(Diagnostic::general("the script contains a NUL character, U+0000; write \\0 instead"));
    }
    let Unescaped { text, quoted } = unescape(source);
    program(ctx, &text).or_else(|refusal| {
        // A script of one line may begin and end with texts of its own. And a quote in a regular expression looks like the
        // start of a text, in which pairs would stay.
        let others = [quoted, expanded(source)].into_iter().flatten();
        others.filter_map(|other| program(ctx, &other).ok()).next().ok_or(refusal)
    })
}

/// A script of one line with every pair replaced, wherever it stands.
fn expanded(source: &str) -> Option<String> {
    let source = source.trim_matches(['\u{feff}', '\u{200b}', '"']);
    let one_line = !source.contains(['\n', '\r']) && source.contains("\\n");
    one_line.then(|| {
        source
            .replace("\\r\\n", "\n")
            .replace("\\n", "\n")
            .replace("\\r", "\n")
            .replace("\\t", "\t")
            .replace("\\\"", "\"")
    })
}

fn program<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Program<'js>, Diagnostic> {
    const BLOCK: &str = "{";
    const FUNCTION: &str = "(function(){";
    // Where a directive stands in front, the engine would not find it inside of the block.
    let strict =
        ["'use strict'", "\"use strict\""].iter().any(|directive| text.trim_start().starts_with(directive));
    let source = |shift| Source { text: text.to_owned(), shift };
    // What may stand on the last line is a comment.
    let within = |start: &str, end: &str| format!("{start}{text}\n{end}");
    let form = |start: &str, end| {
        let shift = u32::try_from(start.len()).unwrap_or_default();
        byte_code(ctx, &within(start, end), strict).map(|code| Program { code, source: source(shift) })
    };
    match byte_code(ctx, text, strict) {
        // The block is stricter about a function and a variable of the same name; such a program runs as it is.
        Ok(code) => Ok(form(BLOCK, "}").unwrap_or_else(|_| Program { code, source: source(0) })),
        Err(refusal) => {
            form(FUNCTION, "}).call(globalThis)").map_err(|_| diagnostic(ctx, &refusal, text, strict))
        }
    }
}

/// Why the engine refuses a text.
#[derive(PartialEq, Eq)]
struct Refusal {
    message: String,
    /// 1-based, 0 where there is none. Of the column the engine knows nothing.
    line: u32,
}

fn byte_code<'js>(ctx: &Ctx<'js>, text: &str, strict: bool) -> Result<Value<'js>, Refusal> {
    let refusal = |message: &str| Refusal { message: message.to_owned(), line: 0 };
    let terminated = CString::new(text).map_err(|_| refusal("the script contains a NUL character"))?;
    let mut flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
    if strict {
        flags |= qjs::JS_EVAL_FLAG_STRICT;
    }
    // SAFETY: the text ends with a NUL, which its length does not count. The answer is a new reference to a value of this
    // context, or the mark of an exception.
    let code = unsafe {
        let context = ctx.as_raw().as_ptr();
        let length = text.len() as qjs::size_t;
        #[allow(clippy::cast_possible_wrap, reason = "a few low bits")]
        let code = qjs::JS_Eval(context, terminated.as_ptr(), length, FILE.as_ptr(), flags as i32);
        (!qjs::JS_IsException(code)).then(|| Value::from_raw(ctx.clone(), code))
    };
    code.ok_or_else(|| {
        let thrown = ctx.catch();
        let Some(error) = thrown.as_exception() else {
            return refusal("the script could not be compiled");
        };
        let message = error.message().unwrap_or_default();
        let place = error.stack().as_deref().and_then(place_of).unwrap_or_default();
        Refusal { message, line: place.line }
    })
}

/// The refusal with its place in the text.
fn diagnostic(ctx: &Ctx<'_>, refusal: &Refusal, text: &str, strict: bool) -> Diagnostic {
    let Refusal { message, line } = refusal;
    let start: usize =
        text.split_inclusive('\n').take((*line as usize).saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let hint = if ["import ", "export "].iter().any(|word| rest.trim_start().starts_with(word)) {
        "; a transform has no modules: the helper classes are globals, as is Packages"
    } else {
        ""
    };
    let end = refused_at(ctx, refusal, text, strict, start);
    let before = text.get(start..end).unwrap_or_default();
    // The token in front of the end is what the engine did not expect; at the end of the text it is that there is none.
    let place = if end == text.len() && (message.ends_with("''") || message.ends_with("end of input")) {
        before
    } else {
        let is_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '$');
        let words = before.trim_end_matches(is_word);
        if words.len() == before.len() { before.get(..before.floor(1)).unwrap_or_default() } else { words }
    };
    let (line, column) = if *line == 0 { (0, 0) } else { (*line, place.chars().count() + 1) };
    let column = u32::try_from(column).unwrap_or_default();
    Diagnostic {
        message: format!("SyntaxError: {message}{hint}"),
        line,
        column,
        excerpt: excerpt(text, line, column),
    }
}

/// Where the text is refused, as the number of bytes that the engine has read by then: what it has not read does not
/// matter to it, so this is the shortest beginning that is refused for the same reason. `start` is where the line begins.
fn refused_at(ctx: &Ctx<'_>, refusal: &Refusal, text: &str, strict: bool, start: usize) -> usize {
    let (mut shorter, mut longer) = (start, text.len());
    if longer > SEARCHED_BYTES_MAX {
        return start;
    }
    while longer - shorter > 1 {
        let half = text.floor_to(shorter + (longer - shorter) / 2);
        // A character may be all that is between the two.
        let next = || (half + 1..longer).find(|end| text.is_char_boundary(*end));
        let Some(middle) = Some(half).filter(|half| *half > shorter).or_else(next) else { break };
        let refused = byte_code(ctx, &text[..middle], strict).is_err_and(|other| other == *refusal);
        *(if refused { &mut longer } else { &mut shorter }) = middle;
    }
    longer
}

/// Ends of characters.
trait Floor {
    /// The last end of a character up to there.
    fn floor_to(&self, end: usize) -> usize;
    /// The length without so many characters of the end.
    fn floor(&self, characters: usize) -> usize;
}

impl Floor for str {
    fn floor_to(&self, end: usize) -> usize {
        (0..=end).rev().find(|end| self.is_char_boundary(*end)).unwrap_or_default()
    }

    fn floor(&self, characters: usize) -> usize {
        self.char_indices().rev().nth(characters.saturating_sub(1)).map_or(0, |(at, _)| at)
    }
}

/// Runs the byte code and answers the script's last value.
pub(crate) fn run<'js>(ctx: &Ctx<'js>, code: &Value<'js>) -> rquickjs::Result<Value<'js>> {
    // SAFETY: the value is byte code of this context, made above. The call takes a reference, so it is given one of its
    // own; the answer is a new reference, or the mark of an exception. The stack is measured from here on, which is where
    // everything that the script calls lies below.
    unsafe {
        let context = ctx.as_raw().as_ptr();
        qjs::JS_UpdateStackTop(qjs::JS_GetRuntime(context));
        let value = qjs::JS_EvalFunction(context, qjs::JS_DupValue(context, code.as_raw()));
        if qjs::JS_IsException(value) {
            return Err(rquickjs::Error::Exception);
        }
        Ok(Value::from_raw(ctx.clone(), value))
    }
}
