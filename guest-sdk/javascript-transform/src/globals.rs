//! What a script leaves in the global object, which all records share.

use std::collections::HashSet;

use rquickjs::qjs;
use rquickjs::{Ctx, Object};

/// The global object as the next record is to find it.
pub(crate) struct Globals {
    /// The names of what was there before the script, and of what it declared.
    known: HashSet<qjs::JSAtom>,
    /// What cannot be removed again: `var` and functions.
    declared: Vec<qjs::JSAtom>,
}

impl Globals {
    /// Remembers what is there.
    pub(crate) fn new(ctx: &Ctx<'_>) -> Self {
        let mut globals = Self { known: HashSet::new(), declared: Vec::new() };
        // The names stay alive with the object's properties, whose atoms these are; those of properties that a script
        // removes are kept by the references that are never given back here.
        each_name(ctx, |atom, keep| {
            *keep = true;
            globals.known.insert(atom);
        });
        globals
    }

    /// Removes what was added since; what cannot be removed is undefined, as it is before its declaration.
    pub(crate) fn restore(&mut self, ctx: &Ctx<'_>) {
        let object = ctx.globals();
        each_name(ctx, |atom, keep| {
            if self.known.contains(&atom) {
                return;
            }
            if !delete(ctx, &object, atom) {
                *keep = true;
                self.known.insert(atom);
                self.declared.push(atom);
            }
        });
        for atom in &self.declared {
            clear(ctx, &object, *atom);
        }
        // The script's own setters may have thrown.
        ctx.catch();
    }
}

/// Calls the function with each own name of the global object; it says whether the name's reference is kept.
fn each_name(ctx: &Ctx<'_>, mut each: impl FnMut(qjs::JSAtom, &mut bool)) {
    let object = ctx.globals();
    let context = ctx.as_raw().as_ptr();
    #[allow(clippy::cast_possible_wrap, reason = "a few low bits")]
    let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_SYMBOL_MASK) as i32;
    let (mut names, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: the call answers an array of `count` entries, each with a reference to its atom. Each reference is given
    // back unless it is kept, and the array is freed after that.
    unsafe {
        if qjs::JS_GetOwnPropertyNames(context, &mut names, &mut count, object.as_raw(), flags) != 0 {
            return;
        }
        for index in 0..count as usize {
            let atom = (*names.add(index)).atom;
            let mut keep = false;
            each(atom, &mut keep);
            if !keep {
                qjs::JS_FreeAtom(context, atom);
            }
        }
        qjs::js_free(context, names.cast());
    }
}

/// Whether the property is gone.
fn delete(ctx: &Ctx<'_>, object: &Object<'_>, atom: qjs::JSAtom) -> bool {
    // SAFETY: the atom is referenced by the caller for the time of the call.
    unsafe { qjs::JS_DeleteProperty(ctx.as_raw().as_ptr(), object.as_raw(), atom, 0) == 1 }
}

fn clear(ctx: &Ctx<'_>, object: &Object<'_>, atom: qjs::JSAtom) {
    // SAFETY: the atom is referenced by `Globals`; undefined needs no reference.
    unsafe {
        qjs::JS_SetProperty(ctx.as_raw().as_ptr(), object.as_raw(), atom, qjs::JS_UNDEFINED);
    }
}
