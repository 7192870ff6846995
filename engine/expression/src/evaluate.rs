//! Evaluation: a walk over the tree, bounded in depth by the parser and in work by a budget.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Number, Value as Json};

use crate::chance::Chance;
use crate::date::{self, Pattern};
use crate::error::{Error, Fault};
use crate::functions::{Function, Method};
use crate::path::{Path, kind, position};
use crate::syntax::{Expression, Kind, Node, Operator, Prepared};
use crate::value::{Value, compare};

/// Bytes of text that one evaluation may parse, join or copy. A payload has at most a million, so honest expressions
/// stay far below.
const WORK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where headers are looked up by name.
pub trait Lookup {
    /// The header's text, or `None` where there is none of that exact name.
    fn header(&self, name: &str) -> Option<&str>;
}

impl Lookup for HashMap<String, String> {
    fn header(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl Lookup for BTreeMap<String, String> {
    fn header(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// Pairs; the first of a name counts.
impl Lookup for Vec<(String, String)> {
    fn header(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What an expression may know: one message, the time and a source of chance. One context serves all expressions of
/// a message, so that each call of `#randomUUID()` gives another UUID.
pub struct Context<'a> {
    payload: &'a Json,
    headers: &'a dyn Lookup,
    now_ms: i64,
    chance: &'a mut dyn Chance,
}

impl<'a> Context<'a> {
    /// A context. `now_ms` is the time in milliseconds since the Unix epoch that all expressions see as now.
    pub fn new(payload: &'a Json, headers: &'a dyn Lookup, now_ms: i64, chance: &'a mut dyn Chance) -> Self {
        Self { payload, headers, now_ms, chance }
    }
}

impl Expression {
    /// The value for that message.
    ///
    /// # Errors
    /// Where the expression fails on it, with the place in the expression.
    pub fn evaluate<'a>(&'a self, context: &mut Context<'a>) -> Result<Value<'a>, Error> {
        let mut evaluation = Evaluation { context, work_bytes: 0 };
        evaluation.node(&self.root).map_err(|fault| fault.located(&self.text))
    }
}

struct Evaluation<'c, 'a> {
    context: &'c mut Context<'a>,
    work_bytes: usize,
}

type Evaluated<'a> = Result<Value<'a>, Fault>;

impl<'a> Evaluation<'_, 'a> {
    fn node(&mut self, node: &'a Node) -> Evaluated<'a> {
        let at = node.offset;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Number(number) => Ok(Value::Number(number.clone())),
            Kind::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Kind::Payload => Ok(Value::of(self.context.payload)),
            Kind::Call { function, arguments, prepared } => self.call(at, *function, arguments, prepared),
            Kind::Header(name) => self.header(name),
            Kind::Property { target, name, safe } => match self.node(target)? {
                Value::Null if *safe => Ok(Value::Null),
                target => self.property(at, target, name),
            },
            Kind::Index { target, key, safe } => match self.node(target)? {
                Value::Null if *safe => Ok(Value::Null),
                target => {
                    let key = self.node(key)?;
                    self.index(at, target, &key)
                }
            },
            Kind::Method { target, method, arguments, safe } => match self.node(target)? {
                Value::Null if *safe => Ok(Value::Null),
                target => self.method(at, &target, *method, arguments),
            },
            Kind::Not(operand) => self.condition(operand).map(|value| Value::Bool(!value)),
            Kind::Negate(operand) => match self.node(operand)? {
                Value::Number(number) => arithmetic(at, Operator::Subtract, &Number::from(0), &number),
                other => Err(Fault::new(at, format!("'-' needs a number, got {}", other.shown()))),
            },
            Kind::Binary { operator, left, right } => self.binary(at, *operator, left, right),
            Kind::Elvis { value, otherwise } => match self.node(value)? {
                Value::Null => self.node(otherwise),
                Value::Text(text) if text.is_empty() => self.node(otherwise),
                value => Ok(value),
            },
            Kind::Ternary { condition, then, otherwise } => {
                if self.condition(condition)? {
                    self.node(then)
                } else {
                    self.node(otherwise)
                }
            }
        }
    }

    fn condition(&mut self, node: &'a Node) -> Result<bool, Fault> {
        match self.node(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(Fault::new(
                node.offset,
                format!("a condition needs true or false, got {}", other.shown()),
            )),
        }
    }

    fn header(&mut self, name: &'a Node) -> Evaluated<'a> {
        let headers = self.context.headers;
        match self.node(name)? {
            Value::Text(name) => {
                Ok(headers.header(&name).map_or(Value::Null, |value| Value::Text(Cow::Borrowed(value))))
            }
            other => {
                Err(Fault::new(name.offset, format!("the name of a header is a text, got {}", other.shown())))
            }
        }
    }

    fn property(&mut self, at: usize, target: Value<'a>, name: &str) -> Evaluated<'a> {
        let fault =
            |what: &str, hint: &str| Err(Fault::new(at, format!("{what} has no field '{name}'{hint}")));
        match target {
            Value::Null => fault("null", ": something before it is missing; '?.' gives null instead"),
            Value::Tree(Cow::Borrowed(Json::Object(fields))) => {
                Ok(fields.get(name).map_or(Value::Null, Value::of))
            }
            Value::Tree(Cow::Owned(Json::Object(mut fields))) => {
                Ok(fields.get_mut(name).map_or(Value::Null, |field| Value::owned(field.take())))
            }
            Value::Tree(_) => fault("an array", "; its elements are reached as in [0]"),
            Value::Text(text) => match self.open(at, &text)? {
                Some(tree) => self.property(at, Value::owned(tree), name),
                None => fault("a text that is no JSON object", ""),
            },
            Value::Bool(_) | Value::Number(_) => fault(&target.shown(), ""),
        }
    }

    fn index(&mut self, at: usize, target: Value<'a>, key: &Value<'_>) -> Evaluated<'a> {
        if let Value::Text(text) = &target {
            return match self.open(at, text)? {
                Some(tree) => self.index(at, Value::owned(tree), key),
                None => Err(Fault::new(at, "a text that is no JSON array or object has no elements")),
            };
        }
        match (target, key) {
            (Value::Tree(tree), Value::Number(number)) if tree.is_array() => {
                let length = tree.as_array().map_or(0, Vec::len);
                // Negative numbers count from the end in paths only.
                let found =
                    number.as_i64().filter(|index| *index >= 0).and_then(|index| position(index, length));
                let message = || format!("element [{number}] is beyond an array of {length}");
                let index = found.ok_or_else(|| Fault::new(at, message()))?;
                Ok(match tree {
                    Cow::Borrowed(json) => Value::of(&json[index]),
                    Cow::Owned(mut json) => Value::owned(json[index].take()),
                })
            }
            (target @ Value::Tree(_), Value::Text(name)) => self.property(at, target, name),
            (Value::Null, _) => Err(Fault::new(
                at,
                "null has no elements: something before it is missing; '?.' gives null instead",
            )),
            (target, key) => {
                Err(Fault::new(at, format!("{} has no element {}", target.shown(), key.shown())))
            }
        }
    }

    /// The object or array that a text holds, if it does.
    fn open(&mut self, at: usize, text: &str) -> Result<Option<Json>, Fault> {
        if !text.trim_start().starts_with(['{', '[']) {
            return Ok(None);
        }
        self.work(at, text.len())?;
        Ok(serde_json::from_str(text).ok())
    }

    fn call(
        &mut self,
        at: usize,
        function: Function,
        arguments: &'a [Node],
        prepared: &'a Prepared,
    ) -> Evaluated<'a> {
        match function {
            Function::RandomUuid => Ok(Value::Text(self.context.chance.uuid().to_string().into())),
            Function::NowMillis => Ok(Value::Number(self.context.now_ms.into())),
            Function::NowIsoDateTimeUtc => {
                self.now(at).map(|now| Value::Text(date::date_time_text(now).into()))
            }
            Function::NowIsoDateUtc => self.now(at).map(|now| Value::Text(date::date_text(now).into())),
            Function::JsonPath => {
                let found = self.json_path(at, arguments, prepared)?;
                found.map_err(|reason| Fault::new(at, reason))
            }
            Function::SafeJsonPath => Ok(self.json_path(at, arguments, prepared)?.unwrap_or(Value::Null)),
            Function::DateTimeIsoFormatterUtc => self.format_date(at, arguments, prepared),
        }
    }

    fn now(&self, at: usize) -> Result<time::OffsetDateTime, Fault> {
        date::of_epoch_ms(self.context.now_ms)
            .ok_or_else(|| Fault::new(at, "the clock is outside the calendar"))
    }

    /// The value at a path; the inner error is one that `safeJsonPath` takes for null.
    fn json_path(
        &mut self,
        at: usize,
        arguments: &'a [Node],
        prepared: &'a Prepared,
    ) -> Result<Result<Value<'a>, String>, Fault> {
        let json = self.node(&arguments[0])?;
        let path = match prepared {
            Prepared::Path(path) => Cow::Borrowed(path),
            _ => {
                let written = self.text_argument(&arguments[1], "a path")?;
                Cow::Owned(Path::parse(&written).map_err(|message| Fault::new(arguments[1].offset, message))?)
            }
        };
        let nothing = |what: String| format!("no value at path {}: {what}", shown_path(&arguments[1]));
        Ok(match json {
            Value::Tree(Cow::Borrowed(json)) => path.find(json).map(Value::of).map_err(nothing),
            Value::Tree(Cow::Owned(json)) => path.take(json).map(Value::owned).map_err(nothing),
            Value::Text(text) => {
                self.work(at, text.len())?;
                match path.find_in(&text) {
                    Ok(found) => found.map(Value::owned).map_err(nothing),
                    Err(error) => Err(format!("the first argument is a text that is no JSON: {error}")),
                }
            }
            Value::Null => Err(nothing("the first argument is null".to_owned())),
            plain @ (Value::Bool(_) | Value::Number(_)) => {
                let json = plain.into_json();
                let shown = kind(&json);
                path.take(json)
                    .map(Value::owned)
                    .map_err(|_| nothing(format!("the first argument is {shown}")))
            }
        })
    }

    fn format_date(&mut self, at: usize, arguments: &'a [Node], prepared: &'a Prepared) -> Evaluated<'a> {
        let iso = self.text_argument(&arguments[0], "an ISO date")?;
        let moment = date::parse_iso(&iso).map_err(|message| Fault::new(at, message))?;
        let pattern = match prepared {
            Prepared::Pattern(pattern) => Cow::Borrowed(pattern),
            _ => {
                let written = self.text_argument(&arguments[1], "a date pattern")?;
                self.work(at, written.len().saturating_mul(32))?;
                Cow::Owned(
                    Pattern::parse(&written).map_err(|message| Fault::new(arguments[1].offset, message))?,
                )
            }
        };
        Ok(Value::Text(pattern.format(moment).into()))
    }

    fn text_argument(&mut self, node: &'a Node, expected: &str) -> Result<Cow<'a, str>, Fault> {
        match self.node(node)? {
            Value::Text(text) => Ok(text),
            other => {
                Err(Fault::new(node.offset, format!("expected {expected} as a text, got {}", other.shown())))
            }
        }
    }

    fn method(
        &mut self,
        at: usize,
        target: &Value<'a>,
        method: Method,
        arguments: &'a [Node],
    ) -> Evaluated<'a> {
        let values = arguments.iter().map(|argument| self.node(argument)).collect::<Result<Vec<_>, _>>()?;
        let count = |n: usize| Value::Number(Number::from(n));
        match (target, method) {
            (Value::Null, _) => {
                let message = format!("null has no method '{}': '?.' gives null instead", method.name());
                Err(Fault::new(at, message))
            }
            (target, Method::Equals) => Ok(Value::Bool(equal(target, &values[0]))),
            (target, Method::ToString) => self.joined(at, target).map(Value::Text),
            (Value::Text(text), method) => self.text_method(at, text, method, &values),
            (Value::Tree(tree), Method::Size | Method::Length)
                if tree.is_array() || method == Method::Size =>
            {
                Ok(count(elements(tree)))
            }
            (Value::Tree(tree), Method::IsEmpty) => Ok(Value::Bool(elements(tree) == 0)),
            (Value::Tree(tree), Method::Contains) if tree.is_array() => {
                let items = tree.as_array().map(Vec::as_slice).unwrap_or_default();
                Ok(Value::Bool(items.iter().any(|item| equal(&Value::of(item), &values[0]))))
            }
            (target, method) => {
                Err(Fault::new(at, format!("{} has no method '{}'", target.shown(), method.name())))
            }
        }
    }

    fn text_method(
        &mut self,
        at: usize,
        text: &Cow<'a, str>,
        method: Method,
        values: &[Value<'a>],
    ) -> Evaluated<'a> {
        self.work(at, text.len())?;
        let argument = || match &values[0] {
            Value::Text(argument) => Ok(argument.as_ref()),
            other => Err(Fault::new(at, format!("'{}' needs a text, got {}", method.name(), other.shown()))),
        };
        let count = |n: usize| Value::Number(Number::from(n));
        Ok(match method {
            Method::StartsWith => Value::Bool(text.starts_with(argument()?)),
            Method::EndsWith => Value::Bool(text.ends_with(argument()?)),
            Method::Contains => Value::Bool(text.contains(argument()?)),
            Method::EqualsIgnoreCase => Value::Bool(text.to_lowercase() == argument()?.to_lowercase()),
            Method::IndexOf => match text.find(argument()?) {
                Some(found) => count(text[..found].chars().count()),
                None => Value::Number(Number::from(-1)),
            },
            Method::Substring => Value::Text(substring(at, text, values)?.to_owned().into()),
            Method::ToLowerCase => Value::Text(text.to_lowercase().into()),
            Method::ToUpperCase => Value::Text(text.to_uppercase().into()),
            Method::Trim => Value::Text(text.trim().to_owned().into()),
            Method::Length => count(text.chars().count()),
            Method::IsEmpty => Value::Bool(text.is_empty()),
            Method::Size => return Err(Fault::new(at, "a text has no method 'size', but 'length'")),
            // Handled for every kind of value before.
            Method::Equals | Method::ToString => Value::Null,
        })
    }

    fn binary(&mut self, at: usize, operator: Operator, left: &'a Node, right: &'a Node) -> Evaluated<'a> {
        match operator {
            Operator::Or => return Ok(Value::Bool(self.condition(left)? || self.condition(right)?)),
            Operator::And => return Ok(Value::Bool(self.condition(left)? && self.condition(right)?)),
            _ => {}
        }
        let (left, right) = (self.node(left)?, self.node(right)?);
        match operator {
            Operator::Equal => Ok(Value::Bool(equal(&left, &right))),
            Operator::NotEqual => Ok(Value::Bool(!equal(&left, &right))),
            Operator::Less | Operator::Greater | Operator::LessOrEqual | Operator::GreaterOrEqual => {
                ordered(at, operator, &left, &right).map(Value::Bool)
            }
            Operator::Add if matches!(left, Value::Text(_)) || matches!(right, Value::Text(_)) => {
                let left = self.joined(at, &left)?;
                let right = self.joined(at, &right)?;
                Ok(Value::Text((left.into_owned() + &right).into()))
            }
            _ => match (&left, &right) {
                (Value::Number(left), Value::Number(right)) => arithmetic(at, operator, left, right),
                _ => Err(unfit(at, operator, &left, &right)),
            },
        }
    }

    /// A value as part of a text.
    fn joined(&mut self, at: usize, value: &Value<'a>) -> Result<Cow<'a, str>, Fault> {
        let text: Cow<'a, str> = match value {
            Value::Text(text) => text.clone(),
            Value::Null => "null".into(),
            Value::Bool(value) => if *value { "true" } else { "false" }.into(),
            Value::Number(number) => number.to_string().into(),
            Value::Tree(tree) => tree.to_string().into(),
        };
        self.work(at, text.len())?;
        Ok(text)
    }

    fn work(&mut self, at: usize, bytes: usize) -> Result<(), Fault> {
        self.work_bytes = self.work_bytes.saturating_add(bytes);
        if self.work_bytes > WORK_BYTES_MAX {
            return Err(Fault::new(
                at,
                format!("the expression handles more than {WORK_BYTES_MAX} bytes of text"),
            ));
        }
        Ok(())
    }
}

fn shown_path(node: &Node) -> String {
    match &node.kind {
        Kind::Text(text) => format!("'{text}'"),
        _ => "given".to_owned(),
    }
}

fn elements(tree: &Json) -> usize {
    tree.as_array().map_or_else(|| tree.as_object().map_or(0, serde_json::Map::len), Vec::len)
}

/// From the first character up to, not with, the last; counted from 0.
fn substring<'t>(at: usize, text: &'t str, values: &[Value<'_>]) -> Result<&'t str, Fault> {
    let length = text.chars().count();
    let bound = |value: Option<&Value<'_>>| match value {
        None => Ok(length),
        Some(Value::Number(number)) => {
            let place = number.as_u64().and_then(|place| usize::try_from(place).ok());
            let message = || format!("'substring' was asked for character {number} of a text of {length}");
            place.filter(|place| *place <= length).ok_or_else(|| Fault::new(at, message()))
        }
        Some(other) => Err(Fault::new(at, format!("'substring' needs numbers, got {}", other.shown()))),
    };
    let (start, end) = (bound(values.first())?, bound(values.get(1))?);
    if start > end {
        return Err(Fault::new(
            at,
            format!("'substring' cannot end at {end} before its beginning at {start}"),
        ));
    }
    let byte = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte);
    Ok(&text[byte(start)..byte(end)])
}

fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right) == Some(Ordering::Equal),
        _ => left == right,
    }
}

fn ordered(at: usize, operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => None,
    };
    let order = order.ok_or_else(|| unfit(at, operator, left, right))?;
    Ok(match operator {
        Operator::Less => order.is_lt(),
        Operator::Greater => order.is_gt(),
        Operator::LessOrEqual => order.is_le(),
        _ => order.is_ge(),
    })
}

/// Whole numbers stay whole and exact, as Java's long; a fraction on either side makes a double of both.
fn arithmetic<'a>(at: usize, operator: Operator, left: &Number, right: &Number) -> Evaluated<'a> {
    let overflow = || Fault::new(at, format!("{left} {} {right} cannot be computed", operator.symbol()));
    if let (Some(left), Some(right)) = (left.as_i128(), right.as_i128()) {
        let result = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide => left.checked_div(right),
            _ => left.checked_rem(right),
        };
        return result.and_then(Number::from_i128).map(Value::Number).ok_or_else(overflow);
    }
    let double = |number: &Number| number.to_string().parse::<f64>().map_err(|_| overflow());
    let (left, right) = (double(left)?, double(right)?);
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        _ => left % right,
    };
    Number::from_f64(result).map(Value::Number).ok_or_else(overflow)
}

fn unfit(at: usize, operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Fault {
    let operator = operator.symbol();
    Fault::new(at, format!("'{operator}' does not fit {} and {}", left.shown(), right.shown()))
}
