//! The stack of a compiled guest as its author wants to see it: function, file and line of his own code.
//!
//! Names and lines are those of the component's debug information (`debug = "line-tables-only"` in Cargo's terms). What
//! the standard library, packages and the SDK have on the stack is left out, and so is where the builder's folders lay.

use wasmtime::{FrameInfo, WasmBacktrace};

/// Frames that are shown; an endless recursion has thousands.
const FRAMES_MAX: usize = 40;
/// Parts of paths that do not belong to the author of a belt: the standard library, packages, the SDK.
const FOREIGN_PATHS: [&str; 4] = ["/rustc/", "/library/", "/registry/src/", "/git/checkouts/"];
/// Crates that do not belong to him either.
const FOREIGN_CRATES: [&str; 7] = ["std", "core", "alloc", "granary", "wit_bindgen", "__rustc", "dlmalloc"];

/// One function on the stack; inlined ones count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    /// Its name, demangled.
    function: String,
    /// File, line and column where the debug information has them.
    place: Option<(String, u32, u32)>,
}

/// The frames of a trap, innermost first, one per line.
pub(crate) fn shown(backtrace: &WasmBacktrace) -> String {
    text(backtrace.frames().iter().flat_map(frames).collect())
}

/// Trims the place in the message of a Rust panic (`panicked at /a/b/src/lib.rs:3:4:`) like that of a frame.
pub(crate) fn trim_panic(message: &str) -> String {
    let Some((before, rest)) = message.split_once("panicked at ") else { return message.to_owned() };
    let (place, after) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
    format!("{before}panicked at {}{after}", relative(place))
}

fn frames(frame: &FrameInfo) -> Vec<Frame> {
    let named = |name: &str| format!("{:#}", rustc_demangle::demangle(name));
    let whole = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), named);
    if frame.symbols().is_empty() {
        return vec![Frame { function: whole, place: None }];
    }
    let symbol = |symbol: &wasmtime::FrameSymbol| Frame {
        function: symbol.name().map_or_else(|| whole.clone(), named),
        place: symbol
            .file()
            .zip(symbol.line())
            .map(|(file, line)| (file.to_owned(), line, symbol.column().unwrap_or_default())),
    };
    frame.symbols().iter().map(symbol).collect()
}

fn text(all: Vec<Frame>) -> String {
    let mut own: Vec<Frame> = all.iter().filter(|frame| is_own(frame)).cloned().collect();
    if own.is_empty() {
        // Without debug information, or foreign from top to bottom: better too much than nothing.
        own = all;
    }
    let mut text = String::new();
    let mut runs = own.chunk_by(|a, b| a == b);
    for run in runs.by_ref().take(FRAMES_MAX) {
        let Frame { function, place } = &run[0];
        text.push_str("  at ");
        text.push_str(function);
        if let Some((file, line, column)) = place {
            text.push_str(&format!(" ({}:{line}:{column})", relative(file)));
        }
        if run.len() > 1 {
            text.push_str(&format!(", {} times", run.len()));
        }
        text.push('\n');
    }
    let left: usize = runs.map(<[Frame]>::len).sum();
    if left > 0 {
        text.push_str(&format!("  and {left} more\n"));
    }
    text
}

fn is_own(frame: &Frame) -> bool {
    // What the macros of the SDK write lies in a nameless constant, and is exported under names without a path.
    let generated = frame.function.contains("::_::") || !frame.function.contains("::");
    let foreign_file = frame.place.as_ref().is_some_and(|(file, ..)| {
        let file = file.replace('\\', "/");
        FOREIGN_PATHS.iter().any(|part| file.contains(part))
    });
    !generated && !foreign_file && !FOREIGN_CRATES.contains(&crate_of(&frame.function))
}

/// The crate of a function: `core` of `<core::option::Option<T> as ...>::f`.
fn crate_of(function: &str) -> &str {
    let path = function.trim_start_matches(['<', '&', '*', '[', '(']);
    path.split("::").next().unwrap_or(path)
}

/// A path from the folder of its crate on: from the last folder `src`, else the file's name.
fn relative(path: &str) -> &str {
    if !path.starts_with('/') && !path.get(1..3).is_some_and(|drive| drive == ":\\") {
        return path;
    }
    let from = path.rfind("/src/").or_else(|| path.rfind("\\src\\")).or_else(|| path.rfind(['/', '\\']));
    from.map_or(path, |at| &path[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        let place = (!file.is_empty()).then(|| (file.to_owned(), line, 7));
        Frame { function: function.to_owned(), place }
    }

    #[test]
    fn the_authors_frames_are_left_with_paths_of_his_crate() {
        let all = vec![
            frame("__rust_start_panic", "", 0),
            frame("core::panicking::panic", "/rustc/0123/library/core/src/panicking.rs", 5),
            frame("core::option::Option<T>::unwrap", "/usr/lib/rust/library/core/src/option.rs", 6),
            frame("mine::first", "/home/ada/src/mine/src/parse/names.rs", 8),
            frame("<mine::Names as core::iter::Iterator>::next", "/home/ada/src/mine/src/lib.rs", 9),
            frame("serde_json::from_slice", "/home/ada/.cargo/registry/src/index-0/serde_json-1.0.0/src/de.rs", 3),
            frame("mine::execute", "C:\\ada\\mine\\src\\lib.rs", 4),
            frame("granary::belt::outcome", "/sdk/rust/src/belt.rs", 4),
            frame("<mine::_::Component as granary::belt::bindings::Guest>::execute", "/home/ada/mine/src/lib.rs", 1),
            frame("execute", "/home/ada/mine/src/lib.rs", 1),
        ];
        assert_eq!(
            text(all),
            "  at mine::first (src/parse/names.rs:8:7)\n  \
               at <mine::Names as core::iter::Iterator>::next (src/lib.rs:9:7)\n  \
               at mine::execute (src\\lib.rs:4:7)\n"
        );
    }

    #[test]
    fn repetitions_are_counted_and_long_stacks_cut() {
        let deep = vec![frame("mine::down", "src/lib.rs", 3); 5_000];
        assert_eq!(text(deep), "  at mine::down (src/lib.rs:3:7), 5000 times\n");
        let long = (0..100).map(|line| frame("mine::f", "src/lib.rs", line)).collect();
        let text = text(long);
        assert!(text.lines().count() == 41 && text.ends_with("  and 60 more\n"), "{text}");
    }

    #[test]
    fn where_nothing_is_known_to_be_the_authors_everything_is_shown() {
        let all = vec![frame("function 7", "", 0), frame("run", "", 0)];
        assert_eq!(text(all), "  at function 7\n  at run\n");
    }

    #[test]
    fn the_place_of_a_panic_is_trimmed_too() {
        let trimmed = trim_panic("thread 'main' panicked at /home/ada/mine/src/lib.rs:3:4:\nno /home here");
        assert_eq!(trimmed, "thread 'main' panicked at src/lib.rs:3:4:\nno /home here");
        assert_eq!(trim_panic("panicked at src/a.rs:1:2"), "panicked at src/a.rs:1:2");
        assert_eq!(trim_panic("nothing of that kind"), "nothing of that kind");
    }
}
