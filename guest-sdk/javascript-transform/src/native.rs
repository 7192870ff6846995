//! The native part of the library: an object of functions, which scripts do not see.

use std::rc::Rc;

use rquickjs::function::Opt;
use rquickjs::{Class, Ctx, Function, IntoJs, Object, Persistent, String as JsString, Value};

use crate::bytes::Bytes;
use crate::collector::{Collector, NAMES};
use crate::log::Level;
use crate::outcome::Message;
use crate::state::State;
use crate::text;

/// Makes the object.
pub(crate) fn object<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> rquickjs::Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    native.set("bytesPrototype", Class::<Bytes>::prototype(ctx)?)?;
    native.set("collectorPrototype", Class::<Collector>::prototype(ctx)?)?;
    native.set("fields", NAMES.to_vec())?;
    native.set("isBytes", Function::new(ctx.clone(), is_a::<Bytes>)?)?;
    native.set("isError", Function::new(ctx.clone(), |value: Value<'js>| value.is_error())?)?;
    native.set("text", Function::new(ctx.clone(), text_of)?)?;
    native.set("length", Function::new(ctx.clone(), |bytes: Class<'js, Bytes>| bytes.borrow().0.len())?)?;
    native.set("bytes", Function::new(ctx.clone(), bytes_of)?)?;
    native.set("read", Function::new(ctx.clone(), read)?)?;
    native.set("field", Function::new(ctx.clone(), field)?)?;
    set_of_the_record(ctx, state, &native)?;
    Ok(native)
}

/// The functions that have to do with the present record.
fn set_of_the_record<'js>(ctx: &Ctx<'js>, state: &Rc<State>, native: &Object<'js>) -> rquickjs::Result<()> {
    let of = Rc::clone(state);
    let log = move |ctx: Ctx<'js>, level: i32, logger: JsString<'js>, line: JsString<'js>| {
        (of.log)(Level::of(level), &text::of(&ctx, &logger)?, &text::of(&ctx, &line)?);
        Ok::<_, rquickjs::Error>(())
    };
    native.set("log", Function::new(ctx.clone(), log)?)?;
    let of = Rc::clone(state);
    let message = move |ctx: Ctx<'js>, text: JsString<'js>| {
        let text = text::of(&ctx, &text)?;
        of.messages.borrow_mut().push(Message::Text(text));
        Ok::<_, rquickjs::Error>(())
    };
    native.set("message", Function::new(ctx.clone(), message)?)?;
    let of = Rc::clone(state);
    let deletion = move |ctx: Ctx<'js>, correlation_id: JsString<'js>, event_id: Opt<JsString<'js>>| {
        let deletion = deletion_of(&ctx, &correlation_id, event_id)?;
        of.messages.borrow_mut().push(deletion);
        Ok::<_, rquickjs::Error>(())
    };
    native.set("deletion", Function::new(ctx.clone(), deletion)?)?;
    let of = Rc::clone(state);
    let written = move |ctx: Ctx<'js>,
                        json: JsString<'js>,
                        correlation_id: JsString<'js>,
                        event_id: Opt<JsString<'js>>| {
        let deletion = (text::of(&ctx, &json)?, deletion_of(&ctx, &correlation_id, event_id)?);
        let mut deletions = of.deletions.borrow_mut();
        if !deletions.contains(&deletion) {
            deletions.push(deletion);
        }
        Ok::<_, rquickjs::Error>(())
    };
    native.set("written", Function::new(ctx.clone(), written)?)?;
    let of = Rc::clone(state);
    native.set("anyWritten", Function::new(ctx.clone(), move || !of.deletions.borrow().is_empty())?)?;
    // Answers whether the text is that of a deletion, which is a message then.
    let of = Rc::clone(state);
    let delete = move |ctx: Ctx<'js>, json: JsString<'js>| {
        let json = text::of(&ctx, &json)?;
        let deletions = of.deletions.borrow();
        let deletion = deletions.iter().find(|(text, _)| *text == json).map(|(_, deletion)| deletion.clone());
        let found = deletion.is_some();
        of.messages.borrow_mut().extend(deletion);
        Ok::<_, rquickjs::Error>(found)
    };
    native.set("deleteWritten", Function::new(ctx.clone(), delete)?)?;
    let of = Rc::clone(state);
    native.set(
        "headers",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, prototype| headers(&ctx, &of, prototype))?,
    )?;
    let of = Rc::clone(state);
    let replace = move |ctx: Ctx<'js>, value: Value<'js>| {
        *of.headers_value.borrow_mut() = Some(Persistent::save(&ctx, value));
    };
    native.set("setHeaders", Function::new(ctx.clone(), replace)?)
}

fn is_a<'js, C: rquickjs::class::JsClass<'js>>(value: Value<'js>) -> bool {
    value.as_object().is_some_and(Object::instance_of::<C>)
}

fn text_of<'js>(ctx: Ctx<'js>, bytes: Class<'js, Bytes>) -> rquickjs::Result<JsString<'js>> {
    JsString::from_str(ctx, &bytes.borrow().text())
}

fn bytes_of<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> rquickjs::Result<Class<'js, Bytes>> {
    let text = text::of(&ctx, &text)?;
    Class::instance(ctx, Bytes(text.into_bytes().into()))
}

/// The record of the collector, or a text that says why there is none.
fn read<'js>(ctx: Ctx<'js>, bytes: Class<'js, Bytes>) -> rquickjs::Result<Value<'js>> {
    match Collector::read(&bytes.borrow().0) {
        Ok(record) => Class::instance(ctx, record).map(Class::into_value),
        Err(reason) => reason.into_js(&ctx),
    }
}

fn field<'js>(ctx: Ctx<'js>, of: Class<'js, Collector>, number: usize) -> rquickjs::Result<Value<'js>> {
    of.borrow().field(&ctx, number)
}

fn deletion_of<'js>(
    ctx: &Ctx<'js>,
    correlation_id: &JsString<'js>,
    event_id: Opt<JsString<'js>>,
) -> rquickjs::Result<Message> {
    let event_id = event_id.0.map(|id| text::of(ctx, &id)).transpose()?;
    Ok(Message::Deletion { correlation_id: text::of(ctx, correlation_id)?, event_id })
}

/// The headers of the record, made when they are asked for: few scripts do.
fn headers<'js>(ctx: &Ctx<'js>, state: &State, prototype: Object<'js>) -> rquickjs::Result<Value<'js>> {
    if let Some(value) = state.headers_value.borrow().as_ref() {
        return value.clone().restore(ctx);
    }
    let object = Object::new(ctx.clone())?;
    object.set_prototype(Some(&prototype))?;
    for (name, value) in state.headers.borrow().iter() {
        object.prop(
            name.as_str(),
            rquickjs::object::Property::from(value.as_str()).writable().configurable().enumerable(),
        )?;
    }
    let value = object.into_value();
    *state.headers_value.borrow_mut() = Some(Persistent::save(ctx, value.clone()));
    Ok(value)
}
