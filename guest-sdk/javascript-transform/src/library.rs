//! The JavaScript part of what scripts find: files of `library`, each a function that is called with the native part.

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Function, Object, Value};

/// The files in their order: later ones use what earlier ones put into the native part.
const FILES: [(&str, &str); 9] = [
    ("base", include_str!("library/base.js")),
    ("bytes", include_str!("library/bytes.js")),
    ("strings", include_str!("library/strings.js")),
    ("list", include_str!("library/list.js")),
    ("deletion", include_str!("library/deletion.js")),
    ("snowplow", include_str!("library/snowplow.js")),
    ("log", include_str!("library/log.js")),
    ("answer", include_str!("library/answer.js")),
    ("packages", include_str!("library/packages.js")),
];

/// Puts the library into the global object.
pub(crate) fn install<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    for (name, text) in FILES {
        let mut options = EvalOptions::default();
        options.filename = Some(format!("granary/{name}"));
        let part: Function<'js> = ctx.eval_with_options(text, options)?;
        part.call::<_, Value<'js>>((native.clone(), ctx.globals()))?;
    }
    Ok(())
}
