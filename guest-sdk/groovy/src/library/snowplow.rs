//! The helper classes for records of the collector.

use std::rc::Rc;

use super::json::Style;
use crate::class::Builtin;
use crate::field::Field;
use crate::host::SnowplowFields;
use crate::json::parse;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Reason, Run, raise};
use crate::value::{Entries, Key, Native, Value};

/// Texts inside of texts that are read as JSON.
const EMBEDDED_DEPTH_MAX: u32 = 32;

/// A record of the collector: its fields, and the bytes that they lie in.
#[derive(Debug, Default)]
pub(crate) struct Record {
    fields: SnowplowFields,
    bytes: Rc<[u8]>,
}

/// The texts with their names, in the order of the JSON form.
fn texts(of: &SnowplowFields) -> [(&'static str, Option<&Field>); 12] {
    [
        ("schema", of.schema.as_ref()),
        ("ipAddress", of.ip_address.as_ref()),
        ("encoding", of.encoding.as_ref()),
        ("collector", of.collector.as_ref()),
        ("userAgent", of.user_agent.as_ref()),
        ("refererUri", of.referer_uri.as_ref()),
        ("path", of.path.as_ref()),
        ("querystring", of.querystring.as_ref()),
        ("body", of.body.as_ref()),
        ("contentType", of.content_type.as_ref()),
        ("hostname", of.hostname.as_ref()),
        ("networkUserId", of.network_user_id.as_ref()),
    ]
}

/// All names, in the order of the JSON form.
const NAMES: [&str; 14] = [
    "schema",
    "ipAddress",
    "timestamp",
    "encoding",
    "collector",
    "userAgent",
    "refererUri",
    "path",
    "querystring",
    "body",
    "headers",
    "contentType",
    "hostname",
    "networkUserId",
];

/// A field by its name.
pub(crate) fn field(machine: &mut Machine<'_>, of: &Record, name: &str) -> Run<Option<Value>> {
    let Record { fields, bytes } = of;
    match name {
        "timestamp" => Ok(Some(fields.timestamp.map_or(Value::Null, Value::Long))),
        "headers" | "headersIterator" => match &fields.headers {
            Some(headers) => {
                let headers =
                    headers.iter().map(|header| Value::Text(Rc::clone(header.text(bytes)))).collect();
                machine.new_list(headers).map(Some)
            }
            None => Ok(Some(Value::Null)),
        },
        "headersSize" => Ok(Some(Value::count(fields.headers.as_ref().map_or(0, Vec::len)))),
        _ => {
            let found = texts(fields).into_iter().find(|(known, _)| *known == name);
            Ok(found
                .map(|(_, text)| text.map_or(Value::Null, |text| Value::Text(Rc::clone(text.text(bytes))))))
        }
    }
}

/// Whether a field is there.
fn is_set(of: &Record, name: &str) -> bool {
    match name {
        "timestamp" => of.fields.timestamp.is_some(),
        "headers" => of.fields.headers.is_some(),
        _ => texts(&of.fields).into_iter().any(|(known, text)| known == name && text.is_some()),
    }
}

/// The flat form: fields, flags, derived values.
pub(crate) fn flat(machine: &mut Machine<'_>, of: &Record) -> Run {
    let mut entries = Entries::default();
    for name in NAMES {
        let value = field(machine, of, name)?.unwrap_or_default();
        entries.insert(Key(Value::text(name)), value);
    }
    for name in NAMES {
        let flag = crate::machine::accessor("set", name);
        entries.insert(Key(Value::text(flag)), Value::Bool(is_set(of, name)));
    }
    for name in ["headersSize", "headersIterator"] {
        let value = field(machine, of, name)?.unwrap_or_default();
        entries.insert(Key(Value::text(name)), value);
    }
    machine.new_map(entries)
}

/// What a record prints as.
pub(crate) fn shown(of: &Record) -> String {
    let set = texts(&of.fields).into_iter();
    let set: Vec<String> =
        set.filter_map(|(name, text)| Some(format!("{name}:{}", text?.text(&of.bytes)))).collect();
    format!("CollectorPayload({})", set.join(", "))
}

/// `payload.name(..)` of a record.
pub(crate) fn call_payload(
    machine: &mut Machine<'_>,
    of: &Record,
    name: &str,
    arguments: &[Value],
) -> Run<Option<Value>> {
    if !arguments.is_empty() {
        return Ok(None);
    }
    match getter(name) {
        Some((true, name)) => Ok(Some(Value::Bool(is_set(of, name)))),
        Some((false, name)) => field(machine, of, name),
        None => Ok(None),
    }
}

/// The field that a getter is for, and whether it asks for the presence only.
pub(crate) fn getter(method: &str) -> Option<(bool, &'static str)> {
    let (presence, rest) = match method.strip_prefix("isSet") {
        Some(rest) => (true, rest),
        None => (false, method.strip_prefix("get")?),
    };
    // The lengths are compared first: a script that asks for the body goes through most of the names.
    let is_it = |name: &&str| {
        let (name, rest) = (name.as_bytes(), rest.as_bytes());
        name.len() == rest.len()
            && name.iter().zip(rest).take(1).all(|(one, other)| one.eq_ignore_ascii_case(other))
            && name.get(1..) == rest.get(1..)
    };
    let all = NAMES.iter().copied().chain(["headersSize", "headersIterator"]);
    all.into_iter().find(is_it).map(|name| (presence, name))
}

/// `SnowplowSerDe.name(..)` and `SnowplowPayloadExtractor.name(..)`
pub(crate) fn call_static(
    machine: &mut Machine<'_>,
    class: Builtin,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (class, method, arguments) {
        (Builtin::SnowplowSerDe, M::deserialize, [payload]) => {
            let bytes: Rc<[u8]> = match payload {
                Value::Bytes(bytes) => Rc::clone(bytes),
                Value::Text(text) => text.as_bytes().into(),
                other => {
                    return Err(raise(
                        Builtin::IllegalArgumentException,
                        format!(
                            "SnowplowSerDe.deserialize() expects the bytes of a record, as in deserialize(payload), found \
                             a value of class {}",
                            other.class().full_name()
                        ),
                    ));
                }
            };
            machine.allocate(bytes.len() * 2)?;
            match machine.host.snowplow_deserialize(&bytes) {
                Ok(fields) => Value::native(Native::Snowplow(Rc::new(Record { fields, bytes }))),
                Err(reason) => return Err(raise(Builtin::TException, reason)),
            }
        }
        (Builtin::SnowplowSerDe, M::toJSON | M::toJson, [value]) => {
            let json = machine.json_of(value, Style::PLAIN)?;
            machine.new_text(json)?
        }
        (Builtin::SnowplowPayloadExtractor, M::normalizeJson, [value]) => {
            let normal = normalized(machine, value)?;
            Value::native(Native::JsonNode(normal))
        }
        (Builtin::SnowplowPayloadExtractor, M::getActualSnowplowPayload, [value]) => {
            let normal = normalized(machine, value)?;
            if let Value::Map(map) = &normal {
                if let Some(Value::Text(query)) = map.get_text("querystring") {
                    if !query.is_empty() {
                        let parameters = parameters(machine, &query)?;
                        machine.map_put(map, Value::text("queryParameters"), parameters)?;
                    }
                }
            }
            let json = machine.json_of(&normal, Style::PLAIN)?;
            machine.new_text(json)?
        }
        _ => return Ok(None),
    }))
}

/// The form in which `body` is a value instead of a text.
fn normalized(machine: &mut Machine<'_>, value: &Value) -> Run {
    let text = match value {
        Value::Native(_) | Value::Map(_) => machine.json_of(value, Style::PLAIN)?.as_str().into(),
        Value::Null => {
            return Err(raise(
                Builtin::IllegalArgumentException,
                "expected the JSON of a record, as SnowplowSerDe.toJSON(..) answers it, found null",
            ));
        }
        other => machine.text(other)?,
    };
    let normal = parse(machine, &text)?;
    if let Value::Map(map) = &normal {
        if let Some(body) = map.get_text("body") {
            let body = embedded(machine, &body, EMBEDDED_DEPTH_MAX)?;
            machine.map_put(map, Value::text("body"), body)?;
        }
    }
    Ok(normal)
}

/// A value in which texts that are JSON objects or arrays are such.
fn embedded(machine: &mut Machine<'_>, value: &Value, depth: u32) -> Run {
    let Some(depth) = depth.checked_sub(1) else { return Ok(value.clone()) };
    Ok(match value {
        Value::Text(text) if text.trim_start().starts_with(['{', '[']) => match parse(machine, text) {
            Ok(parsed) => machine.deeper(|machine| embedded(machine, &parsed, depth))?,
            Err(raised) if matches!(raised.reason, Reason::Thrown(_)) => value.clone(),
            Err(raised) => return Err(raised),
        },
        Value::Map(map) => {
            let entries: Vec<(Key, Value)> =
                map.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            let mut converted = Entries::default();
            for (key, value) in entries {
                let value = machine.deeper(|machine| embedded(machine, &value, depth))?;
                converted.insert(key, value);
            }
            machine.new_map(converted)?
        }
        Value::List(list) => {
            let items = list.items.borrow().clone();
            let mut converted = Vec::with_capacity(items.len());
            for item in items {
                converted.push(machine.deeper(|machine| embedded(machine, &item, depth))?);
            }
            machine.new_list(converted)?
        }
        other => other.clone(),
    })
}

/// The parameters of a query: a list of values for each name.
fn parameters(machine: &mut Machine<'_>, query: &str) -> Run {
    let mut lists: indexmap::IndexMap<String, Vec<Value>> = indexmap::IndexMap::new();
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| super::codec::url_decoded(text).unwrap_or_else(|| text.to_owned());
        let value = machine.new_text(decoded(value))?;
        lists.entry(decoded(name)).or_default().push(value);
    }
    let mut entries = Entries::default();
    for (name, values) in lists {
        let values = machine.new_list(values)?;
        entries.insert(Key(Value::text(name)), values);
    }
    machine.new_map(entries)
}
