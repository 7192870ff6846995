//! What the runtimes of transform scripts share, whatever the language: how script text arrives ([`unescape`]), how a
//! place in it is shown ([`excerpt`]), how bytes become text ([`lossy`]), and the frame in which a batch comes and goes
//! ([`frame`]).

mod escape;
mod excerpt;
pub mod frame;
mod utf8;

pub use escape::{Unescaped, unescape};
pub use excerpt::excerpt;
pub use utf8::lossy;
