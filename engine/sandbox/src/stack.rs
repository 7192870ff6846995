//! The stack of a compiled guest as its author wants to see it: function, file and line of their own code.
//!
//! Names and lines are those of the component's debug information (`debug = "line-tables-only"` in Cargo's terms). What
//! the standard library, packages and the SDK have on the stack is left out, and so is where the builder's folders lay.

use wasmtime::{FrameInfo, WasmBacktrace};

/// Frames that are shown; an endless recursion has thousands.
const FRAMES_MAX: usize = 40;
/// Where the standard library lies.
const LIBRARY_PATHS: [&str; 4] =
    ["/library/core/", "/library/alloc/", "/library/std/", "/library/panic_abort/"];
/// Where Cargo unpacks packages.
const PACKAGES_PATH: &str = "/registry/src/";
/// Other parts of paths that are not the author's: the compiler, packages from Git, the SDK.
const FOREIGN_PATHS: [&str; 3] = ["/rustc/", "/git/checkouts/", "sdk/rust/src/"];
/// Crates that are not theirs either, for functions without a path.
const FOREIGN_CRATES: [&str; 8] =
    ["std", "core", "alloc", "panic_abort", "granary", "wit_bindgen", "dlmalloc", "__rustc"];
/// What the functions are called with which a component begins; a macro wrote them.
const ENTRANCE: &str = "export_";

/// One function on the stack; inlined ones count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    /// Its name, demangled and without generics.
    function: String,
    /// Where the debug information says that it is; empty where it does not.
    file: String,
    /// Line and column.
    place: Option<(u32, u32)>,
}

/// The frames of a trap, innermost first, one per line.
pub(crate) fn shown(backtrace: &WasmBacktrace) -> String {
    text(backtrace.frames().iter().flat_map(frames).collect())
}

/// What a Rust panic says on standard error: its place trimmed like that of a frame (`panicked at /a/b/src/lib.rs:3:4:`),
/// and without the advice to set a variable, which a belt has no use for.
pub(crate) fn panic_words(said: &str) -> String {
    let lines = said.lines().filter(|line| !line.starts_with("note: run with `RUST_BACKTRACE="));
    let trimmed = lines.map(|line| match line.split_once("panicked at ") {
        Some((before, place)) => format!("{before}panicked at {}", relative(place)),
        None => line.to_owned(),
    });
    trimmed.collect::<Vec<_>>().join("\n")
}

fn frames(frame: &FrameInfo) -> Vec<Frame> {
    let whole = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangled);
    if frame.symbols().is_empty() {
        return vec![Frame { function: whole, file: String::new(), place: None }];
    }
    let symbol = |symbol: &wasmtime::FrameSymbol| Frame {
        function: symbol.name().map_or_else(|| whole.clone(), demangled),
        file: symbol.file().map(|file| file.replace('\\', "/")).unwrap_or_default(),
        place: symbol.line().map(|line| (line, symbol.column().unwrap_or_default())),
    };
    frame.symbols().iter().map(symbol).collect()
}

/// `parse` of `parse<alloc::string::String>`; `<A as B>::f` stays.
fn demangled(name: &str) -> String {
    let mut name = format!("{:#}", rustc_demangle::demangle(name));
    if let Some(generics) = name.find('<').filter(|at| *at > 0) {
        name.truncate(generics);
    }
    name
}

fn text(all: Vec<Frame>) -> String {
    let mut own: Vec<Frame> = all.iter().filter(|frame| is_own(frame)).cloned().collect();
    // All functions that a macro writes lie where the macro stands.
    if let Some(entrance) = own.last().filter(|frame| frame.function.starts_with(ENTRANCE)).cloned() {
        own.retain(|frame| (&frame.file, frame.place) != (&entrance.file, entrance.place));
    }
    if own.is_empty() {
        // Without debug information, or foreign from top to bottom: better too much than nothing.
        own = all;
    }
    let mut text = String::new();
    let mut runs = own.chunk_by(|a, b| a == b);
    for run in runs.by_ref().take(FRAMES_MAX) {
        let Frame { function, file, place } = &run[0];
        text.push_str("  at ");
        text.push_str(function);
        match place {
            Some((line, column)) => text.push_str(&format!(" ({}:{line}:{column})", relative(file))),
            None if !file.is_empty() => text.push_str(&format!(" ({})", relative(file))),
            None => {}
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
    if frame.file.is_empty() {
        // Rust's functions have a path; what has none is of a runtime or of the linker.
        return frame.function.contains("::") && !FOREIGN_CRATES.contains(&crate_of(&frame.function));
    }
    let mut foreign = LIBRARY_PATHS.iter().chain(&FOREIGN_PATHS).chain([&PACKAGES_PATH]);
    !foreign.any(|part| frame.file.contains(part))
}

/// The crate of a function: `core` of `<core::option::Option<T> as ...>::f`.
fn crate_of(function: &str) -> &str {
    let path = function.trim_start_matches(['<', '&', '*', '[', '(']);
    path.split("::").next().unwrap_or(path)
}

/// A path without the builder's folders: of the standard library from `library` on, of a package from its name and version
/// on, else from the last folder `src` on, or the file's name.
fn relative(path: &str) -> &str {
    let is_absolute = path.starts_with('/') || path.get(1..3) == Some(":/");
    if !is_absolute {
        return path;
    }
    if let Some(at) = LIBRARY_PATHS.iter().find_map(|part| path.find(part)) {
        return &path[at + 1..];
    }
    // Below it is a folder for each registry.
    let package = path.split_once(PACKAGES_PATH).and_then(|(_, of_registry)| of_registry.split_once('/'));
    if let Some((_, in_package)) = package {
        return in_package;
    }
    path.rfind("/src/").or_else(|| path.rfind('/')).map_or(path, |at| &path[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame { function: function.to_owned(), file: file.to_owned(), place: (line > 0).then_some((line, 7)) }
    }

    #[test]
    fn the_authors_frames_are_left_with_paths_of_his_crate() {
        let all = vec![
            frame("__rust_start_panic", "", 0),
            frame("panic_abort::abort", "", 0),
            frame("panic", "/rustc/0123/library/core/src/panicking.rs", 5),
            frame("unwrap", "/usr/src/rust/library/core/src/option.rs", 6),
            frame("first", "/home/ada/src/mine/src/parse/names.rs", 8),
            frame("mine::second", "", 0),
            frame("from_slice", "/home/ada/.cargo/registry/src/index-0/serde_json-1.0.0/src/de.rs", 3),
            frame("third", "C:/ada/mine/src/lib.rs", 0),
            frame("{closure#0}", "/home/ada/mine/src/lib.rs", 1),
            frame("outcome", "/home/ada/share/granary/sdk/rust/src/belt.rs", 4),
            frame("export_execute", "/home/ada/mine/src/lib.rs", 1),
        ];
        let shown = "  at first (src/parse/names.rs:8:7)\n  at mine::second\n  at third (src/lib.rs)\n";
        assert_eq!(text(all), shown);
    }

    #[test]
    fn generics_are_left_out() {
        assert_eq!(demangled("{closure#0}<core::option::Option<u8>>"), "{closure#0}");
        assert_eq!(
            demangled("<mine::Names as core::iter::Iterator>::next"),
            "<mine::Names as core::iter::Iterator>::next"
        );
        assert_eq!(
            demangled("_ZN4core6option13unwrap_failed17h0123456789abcdefE"),
            "core::option::unwrap_failed"
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
        let said = "thread '<unnamed>' panicked at /home/ada/mine/src/lib.rs:3:4:\nno /home here\n\
                    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        assert_eq!(panic_words(said), "thread '<unnamed>' panicked at src/lib.rs:3:4:\nno /home here");
        for (path, shown) in [
            ("/rustc/0123/library/core/src/option.rs:1:2:", "library/core/src/option.rs:1:2:"),
            ("/home/ada/.cargo/registry/src/index-0/toml-1.0.0/src/de.rs:3:4:", "toml-1.0.0/src/de.rs:3:4:"),
        ] {
            assert_eq!(panic_words(&format!("panicked at {path}")), format!("panicked at {shown}"));
        }
        assert_eq!(panic_words("panicked at src/a.rs:1:2"), "panicked at src/a.rs:1:2");
        assert_eq!(panic_words("nothing of that kind"), "nothing of that kind");
    }
}
