//! The engine with everything that a script finds in it.

use std::rc::Rc;

use rquickjs::{Context, Ctx, Function, Object, Runtime, qjs};

use crate::limits::{Limits, STACK_BYTES};
use crate::state::State;
use crate::{library, native};

/// An engine without a script.
pub(crate) fn new(limits: Limits, state: &Rc<State>) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(STACK_BYTES);
    let of = Rc::clone(state);
    runtime.set_interrupt_handler(Some(Box::new(move || of.poll())));
    let context = Context::full(&runtime)?;
    runtime.set_memory_limit(limits.bytes);
    Ok((runtime, context))
}

/// Sets the bound on the engine's memory while it runs.
pub(crate) fn limit_memory(ctx: &Ctx<'_>, bytes: usize) {
    // SAFETY: the call sets a number of the context's own engine.
    unsafe { qjs::JS_SetMemoryLimit(qjs::JS_GetRuntime(ctx.as_raw().as_ptr()), bytes as _) };
}

/// Whether the engine's memory is used up, but for what an exception takes.
pub(crate) fn is_full(ctx: &Ctx<'_>) -> bool {
    const PROBE_BYTES: u32 = 64 << 10;
    // SAFETY: what was taken is given back to the same engine; the call does not throw.
    unsafe {
        let engine = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        let taken = qjs::js_malloc_rt(engine, PROBE_BYTES.into());
        qjs::js_free_rt(engine, taken);
        taken.is_null()
    }
}

/// What the run of a script needs of the library.
pub(crate) struct Tools<'js> {
    /// Turns the script's value into messages.
    pub(crate) answer: Function<'js>,
    /// Reads what was thrown: its class, message and trace.
    pub(crate) describe: Function<'js>,
}

/// Makes the helper classes known.
pub(crate) fn furnish<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> rquickjs::Result<Tools<'js>> {
    let native: Object<'js> = native::object(ctx, state)?;
    library::install(ctx, &native)?;
    Ok(Tools { answer: native.get("answer")?, describe: native.get("describe")? })
}
