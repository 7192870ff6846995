//! `payload`: bytes that a script cannot look into, except as a text.

use std::borrow::Cow;
use std::rc::Rc;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::Constructor;
use rquickjs::{Ctx, JsLifetime};

/// Bytes as the script sees them; `library/bytes.js` gives them their methods.
pub(crate) struct Bytes(pub(crate) Rc<[u8]>);

impl Bytes {
    /// As UTF-8; what is none becomes U+FFFD.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        granary_scriptable::lossy(&self.0)
    }
}

// SAFETY: the type holds nothing of the engine.
unsafe impl JsLifetime<'_> for Bytes {
    type Changed<'to> = Self;
}

impl<'js> Trace<'js> for Bytes {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

impl<'js> JsClass<'js> for Bytes {
    const NAME: &'static str = "Bytes";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> rquickjs::Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}
