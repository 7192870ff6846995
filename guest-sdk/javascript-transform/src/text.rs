//! Texts of the engine as Rust's.

use rquickjs::qjs;
use rquickjs::{Ctx, String as JsString};

/// The text in UTF-8. Halves of surrogate pairs, which have no form in it, become U+FFFD.
pub(crate) fn of<'js>(ctx: &Ctx<'js>, text: &JsString<'js>) -> rquickjs::Result<String> {
    match text.to_string() {
        Err(rquickjs::Error::Utf8(_)) => {}
        other => return other,
    }
    let mut length = 0;
    // SAFETY: the value is a string of this context. What the call answers is valid for `length` bytes until it is freed
    // below.
    let bytes = unsafe {
        let start = qjs::JS_ToCStringLen(ctx.as_raw().as_ptr(), &mut length, text.as_raw());
        if start.is_null() {
            return Err(rquickjs::Error::Exception);
        }
        let bytes = std::slice::from_raw_parts(start.cast::<u8>(), length as usize).to_vec();
        qjs::JS_FreeCString(ctx.as_raw().as_ptr(), start);
        bytes
    };
    // Each half is three bytes that begin with ED and one of A0 to BF.
    let mut repaired = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&first, others)) = rest.split_first() {
        if first == 0xed && others.first().is_some_and(|second| *second >= 0xa0) {
            repaired.extend_from_slice("\u{fffd}".as_bytes());
            rest = others.get(2..).unwrap_or_default();
        } else {
            repaired.push(first);
            rest = others;
        }
    }
    Ok(granary_scriptable::lossy(&repaired).into_owned())
}

/// The text up to a number of bytes, at the end of a character.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push_str("...");
    }
    text
}
