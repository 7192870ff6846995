//! Expressions.

use std::rc::Rc;

use super::{KEYWORDS, Parsed, Parser, described, function};
use crate::diagnostic::Position;
use crate::syntax::{
    Access, Arguments, Binary, Call, Callee, Declared, Expr, Function, Kind, MapItem, MethodName, Parameter,
    Piece, PropertyName, Statement, StatementKind, Unary,
};
use crate::token::{Part, Token, Word};
use crate::value::Value;

/// What an operator makes of two operands.
#[derive(Clone, Copy)]
enum Operator {
    Binary(Binary),
    And,
    Or,
    Range { open_left: bool, open_right: bool },
    InstanceOf { negated: bool },
    As,
}

/// An operator, how tightly it binds, and how many tokens it has.
fn operator(parser: &Parser<'_>, ahead: usize) -> Option<(Operator, u8, usize)> {
    let binary = |operator, level| Some((Operator::Binary(operator), level, 1));
    match &parser.token_at(ahead).word {
        Word::Name(name) => match &**name {
            "in" => binary(Binary::In, 9),
            "instanceof" => Some((Operator::InstanceOf { negated: false }, 9, 1)),
            "as" => Some((Operator::As, 9, 1)),
            _ => None,
        },
        Word::Sign(sign) => match *sign {
            "||" => Some((Operator::Or, 2, 1)),
            "&&" => Some((Operator::And, 3, 1)),
            "|" => binary(Binary::Or, 4),
            "^" => binary(Binary::Xor, 5),
            "&" => binary(Binary::And, 6),
            "=~" => binary(Binary::Find, 7),
            "==~" => binary(Binary::Match, 7),
            "==" => binary(Binary::Equal, 8),
            "!=" => binary(Binary::NotEqual, 8),
            "===" => binary(Binary::Identical, 8),
            "!==" => binary(Binary::NotIdentical, 8),
            "<=>" => binary(Binary::Compare, 8),
            "<" => binary(Binary::Less, 9),
            "<=" => binary(Binary::LessEqual, 9),
            ">" => binary(Binary::Greater, 9),
            ">=" => binary(Binary::GreaterEqual, 9),
            "!" if parser.is_name_at(ahead + 1, "in") => Some((Operator::Binary(Binary::NotIn), 9, 2)),
            "!" if parser.is_name_at(ahead + 1, "instanceof") => {
                Some((Operator::InstanceOf { negated: true }, 9, 2))
            }
            ".." => Some((Operator::Range { open_left: false, open_right: false }, 10, 1)),
            "..<" => Some((Operator::Range { open_left: false, open_right: true }, 10, 1)),
            "<.." => Some((Operator::Range { open_left: true, open_right: false }, 10, 1)),
            "<..<" => Some((Operator::Range { open_left: true, open_right: true }, 10, 1)),
            "<<" => binary(Binary::ShiftLeft, 10),
            ">>" => binary(Binary::ShiftRight, 10),
            ">>>" => binary(Binary::ShiftRightUnsigned, 10),
            "+" => binary(Binary::Add, 11),
            "-" => binary(Binary::Subtract, 11),
            "*" => binary(Binary::Multiply, 12),
            "/" => binary(Binary::Divide, 12),
            "%" => binary(Binary::Remainder, 12),
            _ => None,
        },
        _ => None,
    }
}

/// The operator inside of `op=`.
fn update_operator(sign: &str) -> Option<Binary> {
    Some(match sign {
        "+=" => Binary::Add,
        "-=" => Binary::Subtract,
        "*=" => Binary::Multiply,
        "/=" => Binary::Divide,
        "%=" => Binary::Remainder,
        "**=" => Binary::Power,
        "<<=" => Binary::ShiftLeft,
        ">>=" => Binary::ShiftRight,
        ">>>=" => Binary::ShiftRightUnsigned,
        "&=" => Binary::And,
        "|=" => Binary::Or,
        "^=" => Binary::Xor,
        _ => return None,
    })
}

fn make(kind: Kind, at: Position) -> Expr {
    Expr { kind, at }
}

fn constant(text: &str, at: Position) -> Expr {
    make(Kind::Constant(Value::text(text)), at)
}

impl Parser<'_> {
    /// An expression, or a call without parentheses: `println x`.
    pub(super) fn command(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            let mut expr = parser.assignment()?;
            while parser.begins_argument(&expr) {
                parser.grow()?;
                expr = parser.command_call(expr)?;
            }
            Ok(expr)
        })
    }

    /// Whether the next token is the first argument of a call without parentheses.
    fn begins_argument(&self, callee: &Expr) -> bool {
        let callable = match &callee.kind {
            Kind::Name(_) => true,
            Kind::Property { name: PropertyName::Known(_), access, .. } => *access != Access::Spread,
            _ => false,
        };
        let token = self.token();
        callable
            && token.spaced
            && match &token.word {
                Word::Name(name) => {
                    !KEYWORDS.contains(&&**name)
                        || matches!(&**name, "new" | "this" | "null" | "true" | "false")
                }
                Word::Number(_) | Word::Text(_) | Word::Template(_) => true,
                _ => false,
            }
    }

    fn command_call(&mut self, callee: Expr) -> Parsed<Expr> {
        let at = callee.at;
        let mut arguments = Arguments::default();
        loop {
            self.argument(&mut arguments)?;
            if !self.take_sign(",") {
                break;
            }
            self.skip_newlines();
        }
        let call = self.called(callee, arguments, at);
        // `a b c d` is `a(b).c(d)`.
        match self.plain_name_at(0) {
            Some(name) => {
                let at = self.at();
                self.next();
                let object = Box::new(call);
                Ok(make(
                    Kind::Property { object, name: PropertyName::Known(name), access: Access::Plain },
                    at,
                ))
            }
            None => Ok(call),
        }
    }

    /// An expression.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(Self::assignment)
    }

    fn assignment(&mut self) -> Parsed<Expr> {
        let target = self.ternary()?;
        let at = self.at();
        let Word::Sign(sign) = self.token().word else { return Ok(target) };
        let update = update_operator(sign);
        if sign != "=" && sign != "?=" && update.is_none() {
            return Ok(target);
        }
        if !matches!(target.kind, Kind::Name(_) | Kind::Property { .. } | Kind::Index { .. }) {
            return self.refuse(
                target.at,
                format!("`{sign}` needs something to assign to on its left: a variable, a property or an item (for a comparison write `==`)"),
            );
        }
        self.next();
        self.skip_newlines();
        let value = Box::new(self.command()?);
        let target = Box::new(target);
        Ok(make(
            match update {
                Some(operator) => Kind::Update(operator, target, value),
                None if sign == "=" => Kind::Assign(target, value),
                None => Kind::ElvisAssign(target, value),
            },
            at,
        ))
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        if self.is_lambda() {
            return self.lambda();
        }
        let condition = self.binary(0)?;
        let at = self.at();
        match self.continuing_sign(&["?", "?:"]) {
            Some("?") => {
                self.skip_newlines();
                self.next();
                self.skip_newlines();
                let then = self.expression()?;
                self.skip_newlines();
                self.expect_sign(":", "after the first choice of `condition ? a : b`")?;
                self.skip_newlines();
                let other = self.nested(Self::ternary)?;
                self.grow()?;
                Ok(make(Kind::Ternary(Box::new(condition), Box::new(then), Box::new(other)), at))
            }
            Some(_) => {
                self.skip_newlines();
                self.next();
                self.skip_newlines();
                let other = self.nested(Self::ternary)?;
                self.grow()?;
                Ok(make(Kind::Elvis(Box::new(condition), Box::new(other)), at))
            }
            None => Ok(condition),
        }
    }

    /// One of the signs, here or at the beginning of the next line.
    fn continuing_sign(&self, signs: &[&'static str]) -> Option<&'static str> {
        let ahead = usize::from(matches!(self.token().word, Word::Newline));
        match self.token_at(ahead).word {
            Word::Sign(found) => signs.iter().copied().find(|sign| *sign == found),
            _ => None,
        }
    }

    /// Operators between operands, those that bind at least that tightly.
    fn binary(&mut self, level_min: u8) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let newline = usize::from(matches!(self.token().word, Word::Newline));
            let Some((operator, level, length)) = operator(self, newline) else { return Ok(left) };
            // On a line of its own, `-x` is a statement.
            let continues = newline == 0 || !matches!(self.token_at(1).word, Word::Sign("+" | "-" | "!"));
            if level < level_min || !continues {
                return Ok(left);
            }
            self.index += newline;
            let at = self.at();
            self.index += length;
            self.skip_newlines();
            self.grow()?;
            let left_at = left.at;
            let kind = match operator {
                Operator::As | Operator::InstanceOf { .. } => {
                    let Some(class) = self.type_name() else {
                        return self.unexpected("the name of a class");
                    };
                    let value = Box::new(left);
                    match operator {
                        Operator::InstanceOf { negated } => Kind::InstanceOf { value, class, negated },
                        _ => Kind::Cast { class, value, strict: false },
                    }
                }
                Operator::Binary(binary) => {
                    let right = self.binary(level + 1)?;
                    Kind::Binary(binary, Box::new(left), Box::new(right))
                }
                Operator::And => Kind::And(Box::new(left), Box::new(self.binary(level + 1)?)),
                Operator::Or => Kind::Or(Box::new(left), Box::new(self.binary(level + 1)?)),
                Operator::Range { open_left, open_right } => {
                    let to = Box::new(self.binary(level + 1)?);
                    Kind::Range { from: Box::new(left), to, open_left, open_right }
                }
            };
            let at = if matches!(kind, Kind::Range { .. }) { left_at } else { at };
            left = make(kind, at);
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let Word::Sign(sign) = self.token().word else { return self.power() };
        let unary = match sign {
            "!" => Unary::Not,
            "-" => Unary::Minus,
            "+" => Unary::Plus,
            "~" => Unary::BitNot,
            "++" | "--" => {
                self.next();
                let target = Box::new(self.nested(Self::unary)?);
                self.assignable(&target, sign)?;
                return Ok(make(Kind::Step { target, up: sign == "++", prefix: true }, at));
            }
            "(" => {
                if let Some(cast) = self.cast()? {
                    return Ok(cast);
                }
                return self.power();
            }
            _ => return self.power(),
        };
        self.next();
        let operand = self.nested(Self::unary)?;
        Ok(match (unary, operand.kind) {
            (Unary::Minus, Kind::Constant(number)) if number.is_number() => {
                make(Kind::Constant(crate::number::negated_literal(&number)), at)
            }
            (_, kind) => {
                let operand_at = operand.at;
                make(Kind::Unary(unary, Box::new(make(kind, operand_at))), at)
            }
        })
    }

    fn assignable(&self, target: &Expr, sign: &str) -> Parsed<()> {
        if matches!(target.kind, Kind::Name(_) | Kind::Property { .. } | Kind::Index { .. }) {
            return Ok(());
        }
        self.refuse(target.at, format!("`{sign}` needs a variable, a property or an item beside it"))
    }

    fn power(&mut self) -> Parsed<Expr> {
        let mut base = self.postfix()?;
        while self.is_sign("**") {
            let at = self.at();
            self.next();
            self.skip_newlines();
            self.grow()?;
            let exponent = self.nested(Self::unary_for_power)?;
            base = make(Kind::Binary(Binary::Power, Box::new(base), Box::new(exponent)), at);
        }
        Ok(base)
    }

    fn unary_for_power(&mut self) -> Parsed<Expr> {
        if self.is_sign("-") { self.unary() } else { self.postfix() }
    }

    /// `(Type) value`, if that is what stands here.
    fn cast(&mut self) -> Parsed<Option<Expr>> {
        let (start, at) = (self.index, self.at());
        let end = self.token().partner;
        self.next();
        let class = self.type_name();
        let Some(class) = class.filter(|class| self.index == end && Self::looks_like_type(class)) else {
            self.index = start;
            return Ok(None);
        };
        self.next();
        let begins_operand = match &self.token().word {
            Word::Name(name) => !matches!(&**name, "in" | "instanceof" | "as"),
            Word::Number(_) | Word::Text(_) | Word::Template(_) => true,
            // `(CONSTANT) - 1` is a subtraction.
            Word::Sign("-" | "+") => class.primitive,
            Word::Sign("(" | "[" | "{" | "~" | "!" | "++" | "--") => true,
            _ => false,
        };
        if !begins_operand {
            self.index = start;
            return Ok(None);
        }
        let value = Box::new(self.nested(Self::unary)?);
        Ok(Some(make(Kind::Cast { class, value, strict: true }, at)))
    }

    /// A primary and what follows it: members, calls, items.
    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            let at = self.at();
            let Word::Sign(sign) = self.token().word else {
                // A chain goes on in the next line with a dot.
                let ahead = usize::from(matches!(self.token().word, Word::Newline));
                let continues =
                    matches!(self.token_at(ahead).word, Word::Sign("." | "?." | "*." | ".&" | "::"))
                        && ahead == 1;
                if continues {
                    self.skip_newlines();
                    continue;
                }
                return Ok(expr);
            };
            expr = match sign {
                "." | "?." | "*." | ".@" => {
                    self.grow()?;
                    self.member(expr)?
                }
                ".&" | "::" => {
                    self.grow()?;
                    self.next();
                    let name = self.member_name()?;
                    if &*name == "new" && sign == "::" {
                        return self.refuse(at, "`::new` is not supported; write `{ new Name(it) }`");
                    }
                    make(Kind::MethodReference { receiver: Box::new(expr), name: MethodName::new(&name) }, at)
                }
                "(" => {
                    self.grow()?;
                    let arguments = self.arguments()?;
                    let at = expr.at;
                    self.called(expr, arguments, at)
                }
                "[" | "?[" => {
                    if sign == "[" && self.is_printed_list(&expr) {
                        let mut arguments = Arguments::default();
                        self.argument(&mut arguments)?;
                        let at = expr.at;
                        return Ok(self.called(expr, arguments, at));
                    }
                    self.grow()?;
                    self.next();
                    let mut index = Vec::new();
                    while !self.is_sign("]") {
                        index.push(self.spread_or_expression()?);
                        if !self.take_sign(",") {
                            break;
                        }
                    }
                    self.expect_sign("]", "after the index")?;
                    make(Kind::Index { object: Box::new(expr), index, safe: sign == "?[" }, at)
                }
                "{" if self.takes_closure(&expr) => {
                    self.grow()?;
                    let closure = self.closure()?;
                    self.with_closure(expr, closure)
                }
                "++" | "--" => {
                    self.assignable(&expr, sign)?;
                    self.next();
                    return Ok(make(
                        Kind::Step { target: Box::new(expr), up: sign == "++", prefix: false },
                        at,
                    ));
                }
                _ => return Ok(expr),
            };
        }
    }

    /// `println [1, 2]`: a call, while `list [1]` is an item.
    fn is_printed_list(&self, expr: &Expr) -> bool {
        self.token().spaced
            && matches!(&expr.kind, Kind::Name(name) if matches!(&**name, "println" | "print" | "return"))
    }

    /// Whether a brace behind an expression begins its last argument.
    fn takes_closure(&self, expr: &Expr) -> bool {
        matches!(
            &expr.kind,
            Kind::Name(_) | Kind::Call(_) | Kind::Property { name: PropertyName::Known(_), .. }
        )
    }

    /// Adds a closure as the last argument of a call.
    fn with_closure(&mut self, expr: Expr, closure: Expr) -> Expr {
        let at = expr.at;
        match expr.kind {
            Kind::Call(mut call) => {
                call.arguments.values.push(closure);
                make(Kind::Call(call), at)
            }
            kind => {
                let arguments = Arguments { values: vec![closure], ..Arguments::default() };
                self.called(make(kind, at), arguments, at)
            }
        }
    }

    fn called(&mut self, callee: Expr, arguments: Arguments, at: Position) -> Expr {
        let callee = match callee.kind {
            Kind::Name(name) => Callee::Name(MethodName::new(&name)),
            Kind::Property { object, name: PropertyName::Known(name), access } => {
                Callee::Method { receiver: object, name: MethodName::new(&name), access }
            }
            Kind::Property { object, name: PropertyName::Computed(name), access } => {
                Callee::Computed { receiver: object, name, access }
            }
            kind => Callee::Value(Box::new(make(kind, callee.at))),
        };
        make(Kind::Call(Box::new(Call { callee, arguments })), at)
    }

    /// What follows a dot.
    fn member(&mut self, object: Expr) -> Parsed<Expr> {
        let sign = match self.next().word {
            Word::Sign(sign) => sign,
            _ => ".",
        };
        let access = match sign {
            "?." => Access::Safe,
            "*." => Access::Spread,
            _ => Access::Plain,
        };
        self.skip_newlines();
        let at = self.at();
        self.take_sign("@");
        if self.is_sign("<") {
            self.generics();
        }
        let name = match &self.token().word {
            Word::Name(name) => PropertyName::Known(Rc::clone(name)),
            Word::Text(text) => PropertyName::Known(Rc::clone(text)),
            Word::Template(parts) => PropertyName::Computed(Box::new(self.template(parts, at)?)),
            Word::Sign("(") => {
                self.next();
                let name = self.expression()?;
                if !self.is_sign(")") {
                    return self.unexpected("`)` after the name of the property");
                }
                PropertyName::Computed(Box::new(name))
            }
            _ => return self.unexpected("the name of a property or method after the dot"),
        };
        self.next();
        Ok(make(Kind::Property { object: Box::new(object), name, access }, at))
    }

    fn member_name(&mut self) -> Parsed<Rc<str>> {
        match &self.token().word {
            Word::Name(name) | Word::Text(name) => {
                let name = Rc::clone(name);
                self.next();
                Ok(name)
            }
            _ => self.unexpected("the name of a method"),
        }
    }

    /// Arguments in parentheses.
    pub(super) fn arguments(&mut self) -> Parsed<Arguments> {
        self.expect_sign("(", "before the arguments")?;
        let mut arguments = Arguments::default();
        while !self.is_sign(")") {
            self.argument(&mut arguments)?;
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect_sign(")", "or `,` after an argument")?;
        Ok(arguments)
    }

    fn argument(&mut self, arguments: &mut Arguments) -> Parsed<()> {
        if self.is_map_key() || self.is_sign("*:") {
            let item = self.map_item()?;
            arguments.named.push(item);
            return Ok(());
        }
        let value = self.spread_or_expression()?;
        arguments.spread |= matches!(value.kind, Kind::Spread(_));
        arguments.values.push(value);
        Ok(())
    }

    fn spread_or_expression(&mut self) -> Parsed<Expr> {
        let at = self.at();
        if self.take_sign("*") {
            let list = Box::new(self.expression()?);
            return Ok(make(Kind::Spread(list), at));
        }
        self.expression()
    }

    /// Whether a name, a text or a number stands here with a colon behind it.
    fn is_map_key(&self) -> bool {
        self.is_sign_at(1, ":")
            && matches!(self.token().word, Word::Name(_) | Word::Text(_) | Word::Number(_))
    }

    fn map_item(&mut self) -> Parsed<MapItem> {
        let at = self.at();
        if self.take_sign("*:") {
            return Ok(MapItem::Spread(self.expression()?));
        }
        let key = match &self.token().word {
            Word::Name(name) if self.is_sign_at(1, ":") => {
                self.next();
                constant(name, at)
            }
            _ => self.expression()?,
        };
        self.expect_sign(":", "after the key")?;
        self.skip_newlines();
        Ok(MapItem::Entry(key, self.expression()?))
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.token();
        let at = token.at;
        let kind = match &token.word {
            Word::Number(number) => {
                self.next();
                Kind::Constant(number.clone())
            }
            Word::Text(text) => {
                self.next();
                Kind::Constant(Value::Text(Rc::clone(text)))
            }
            Word::Template(parts) => {
                self.next();
                return self.template(parts, at);
            }
            Word::Name(name) => return self.named(name, at),
            Word::Sign("(") => {
                self.next();
                let inner = self.command()?;
                self.expect_sign(")", "to close the parenthesis")?;
                return Ok(inner);
            }
            Word::Sign("[") => return self.list_or_map(),
            Word::Sign("{") => return self.closure(),
            Word::Sign("->") => {
                return self.refuse(at, "`->` belongs to a closure or a `case`; write `{ x -> .. }`");
            }
            Word::Sign("@") => return self.refuse(at, "an annotation is not possible here; remove it"),
            _ => return self.unexpected("an expression"),
        };
        Ok(make(kind, at))
    }

    fn named(&mut self, name: &Rc<str>, at: Position) -> Parsed<Expr> {
        let kind = match &**name {
            "null" => Kind::Constant(Value::Null),
            "true" => Kind::Constant(Value::Bool(true)),
            "false" => Kind::Constant(Value::Bool(false)),
            "this" => {
                self.next();
                if self.is_sign("(") {
                    let arguments = self.arguments()?;
                    let call = Call { callee: Callee::Constructor { parent: false }, arguments };
                    return Ok(make(Kind::Call(Box::new(call)), at));
                }
                return Ok(make(Kind::This, at));
            }
            "super" => return self.super_call(at),
            "new" => return self.creation(at),
            "switch" => {
                let switch = self.switch()?;
                let body = vec![Statement { kind: StatementKind::Switch(Box::new(switch)), at }];
                let closure = make(Kind::Closure(Rc::new(function("switch", at, Vec::new(), body))), at);
                let call = Call { callee: Callee::Value(Box::new(closure)), arguments: Arguments::default() };
                return Ok(make(Kind::Call(Box::new(call)), at));
            }
            word if super::PRIMITIVES.contains(&word) => Kind::Name(Rc::clone(name)),
            word if KEYWORDS.contains(&word) => return self.unexpected("an expression"),
            _ if self.is_sign_at(1, "->") && !self.in_case => {
                // `x -> x + 1`
                let parameter = self.parameter_of(Rc::clone(name), at);
                self.next();
                self.next();
                return self.lambda_body(vec![parameter], at);
            }
            _ => Kind::Name(Rc::clone(name)),
        };
        self.next();
        Ok(make(kind, at))
    }

    fn super_call(&mut self, at: Position) -> Parsed<Expr> {
        self.next();
        if self.is_sign("(") {
            let arguments = self.arguments()?;
            let call = Call { callee: Callee::Constructor { parent: true }, arguments };
            return Ok(make(Kind::Call(Box::new(call)), at));
        }
        self.expect_sign(".", "after `super`")?;
        let name = self.member_name()?;
        if !self.is_sign("(") {
            // A property of the class above is one of this object.
            let object = Box::new(make(Kind::This, at));
            return Ok(make(
                Kind::Property { object, name: PropertyName::Known(name), access: Access::Plain },
                at,
            ));
        }
        let arguments = self.arguments()?;
        let call = Call { callee: Callee::Super(MethodName::new(&name)), arguments };
        Ok(make(Kind::Call(Box::new(call)), at))
    }

    fn creation(&mut self, at: Position) -> Parsed<Expr> {
        self.next();
        let Some(mut class) = self.type_name() else {
            return self.unexpected("the name of a class after `new`, as in `new Date()`");
        };
        if class.dimensions > 0 {
            self.skip_newlines();
            self.expect_sign("{", "with the items of the array, as in `new int[]{1, 2}`")?;
            let items = self.nested(|parser| {
                let mut items = Vec::new();
                loop {
                    parser.skip_newlines();
                    if parser.is_sign("}") {
                        return Ok(items);
                    }
                    items.push(parser.expression()?);
                    parser.skip_newlines();
                    if !parser.take_sign(",") {
                        return Ok(items);
                    }
                }
            })?;
            self.expect_sign("}", "after the items of the array")?;
            return Ok(make(Kind::NewArray { class, lengths: Vec::new(), items: Some(items) }, at));
        }
        let mut lengths = Vec::new();
        while self.is_sign("[") {
            self.next();
            if self.take_sign("]") {
                class.dimensions = class.dimensions.saturating_add(1);
                continue;
            }
            lengths.push(self.expression()?);
            self.expect_sign("]", "after the length of the array")?;
        }
        if !lengths.is_empty() {
            return Ok(make(Kind::NewArray { class, lengths, items: None }, at));
        }
        if !self.is_sign("(") {
            return self.unexpected(&format!("`(` after `new {}`", class.name));
        }
        let arguments = self.arguments()?;
        if self.is_sign("{") {
            let brace = self.at();
            let is_reference = class.name.ends_with("TypeReference") && self.is_sign_at(1, "}");
            if !is_reference {
                return self.refuse(
                    brace,
                    format!(
                        "a class without a name (`new {}() {{ .. }}`) is not supported; define a class, or use a closure",
                        class.name
                    ),
                );
            }
            self.next();
            self.next();
        }
        Ok(make(Kind::New { class, arguments }, at))
    }

    fn list_or_map(&mut self) -> Parsed<Expr> {
        let at = self.at();
        self.next();
        if self.is_sign(":") && self.is_sign_at(1, "]") {
            self.next();
            self.next();
            return Ok(make(Kind::Map(Vec::new()), at));
        }
        let (mut items, mut entries) = (Vec::new(), Vec::new());
        while !self.is_sign("]") {
            if self.is_map_key() || self.is_sign("*:") {
                let item = self.map_item()?;
                entries.push(item);
            } else {
                let item = self.spread_or_expression()?;
                if self.take_sign(":") {
                    entries.push(MapItem::Entry(item, self.expression()?));
                } else {
                    items.push(item);
                }
            }
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect_sign("]", "or `,` after an item")?;
        if !items.is_empty() && !entries.is_empty() {
            return self.refuse(
                at,
                "a literal is either a list or a map; write every item as `key: value`, or none",
            );
        }
        Ok(make(if entries.is_empty() { Kind::List(items) } else { Kind::Map(entries) }, at))
    }

    /// A text with expressions.
    fn template(&mut self, parts: &[Part], at: Position) -> Parsed<Expr> {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.push(match part {
                Part::Text(text) => Piece::Text(Rc::clone(text)),
                Part::Path(path, at) => Piece::Code(Self::path_expression(path, *at)),
                Part::Code(tokens) => Piece::Code(self.template_code(tokens)?),
            });
        }
        Ok(make(Kind::Text(pieces), at))
    }

    fn path_expression(path: &[Rc<str>], at: Position) -> Expr {
        let mut names = path.iter();
        let first = match names.next() {
            Some(first) if &**first == "this" => Kind::This,
            Some(first) => Kind::Name(Rc::clone(first)),
            None => Kind::Constant(Value::Null),
        };
        names.fold(make(first, at), |object, name| {
            let name = PropertyName::Known(Rc::clone(name));
            make(Kind::Property { object: Box::new(object), name, access: Access::Plain }, at)
        })
    }

    fn template_code(&mut self, tokens: &[Token]) -> Parsed<Expr> {
        let mut inner: Parser<'_> = Parser::new(tokens, self.source);
        inner.depth = self.depth;
        inner.skip_newlines();
        let at = inner.at();
        if matches!(inner.token().word, Word::End) {
            return Ok(make(Kind::Constant(Value::Null), at));
        }
        let expr = if inner.is_sign("->") {
            inner.next();
            let body = inner.nested(|inner| inner.statements())?;
            make(Kind::Closure(Rc::new(function("closure", at, Vec::new(), body))), at)
        } else {
            inner.expression()?
        };
        inner.skip_newlines();
        if !matches!(inner.token().word, Word::End) {
            return self.refuse(
                inner.at(),
                format!("expected one expression in `${{..}}`, found {} behind it", described(inner.token())),
            );
        }
        self.height = self.height.max(inner.height);
        self.grow()?;
        Ok(expr)
    }

    /// Whether a brace begins a closure with parameters rather than a block.
    pub(super) fn is_closure(&self) -> bool {
        self.arrow_ahead()
    }

    /// Whether the parameters of a closure follow the brace.
    fn arrow_ahead(&self) -> bool {
        let end = self.token().partner;
        let mut index = self.index + 1;
        let mut expects_more = true;
        while index < end {
            let Some(token) = self.tokens.get(index) else { return false };
            match &token.word {
                Word::Sign("->") => return true,
                Word::Sign("(" | "[" | "{") => index = token.partner,
                Word::Sign(";") => return false,
                Word::Newline if !expects_more => return false,
                Word::Newline => {
                    index += 1;
                    continue;
                }
                Word::Name(name)
                    if matches!(&**name, "return" | "if" | "for" | "while" | "case" | "switch") =>
                {
                    return false;
                }
                _ => {}
            }
            expects_more = matches!(token.word, Word::Sign(","));
            index += 1;
        }
        false
    }

    /// `{ a, b -> .. }`
    pub(super) fn closure(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let has_arrow = self.arrow_ahead();
        self.next();
        let outer = std::mem::take(&mut self.in_case);
        let closure = self.nested(|parser| {
            let (mut parameters, mut variadic) = (Vec::new(), false);
            if has_arrow {
                parser.skip_newlines();
                if !parser.is_sign("->") {
                    (parameters, variadic) = parser.parameters()?;
                    parser.skip_newlines();
                }
                parser.expect_sign("->", "after the parameters of the closure")?;
            } else {
                let mut it = parser.parameter_of("it".into(), at);
                it.default = Some(make(Kind::Constant(Value::Null), at));
                parameters.push(it);
            }
            let body = parser.statements()?;
            parser.expect_sign("}", "to end the closure")?;
            let function = Function { variadic, ..function("closure", at, parameters, body) };
            Ok(make(Kind::Closure(Rc::new(function)), at))
        });
        self.in_case = outer;
        closure
    }

    fn parameter_of(&self, name: Rc<str>, at: Position) -> Parameter {
        Parameter { variable: Declared { name, at, class: None, slot: 0 }, default: None }
    }

    /// Parameters up to what closes them, and whether the last one takes all that is left.
    pub(super) fn parameters(&mut self) -> Parsed<(Vec<Parameter>, bool)> {
        let (mut parameters, mut variadic) = (Vec::new(), false);
        loop {
            self.skip_newlines();
            self.modifiers()?;
            let mut class = None;
            let named = self.plain_name_at(0).is_some()
                && matches!(self.token_at(1).word, Word::Sign("," | ")" | "->" | "=") | Word::Newline);
            if !named {
                class = self.type_name();
                if self.take_sign("...") {
                    variadic = true;
                }
            }
            let at = self.at();
            let name = self.identifier("the name of a parameter")?;
            let default = if self.take_sign("=") { Some(self.expression()?) } else { None };
            parameters.push(Parameter { variable: Declared { name, at, class, slot: 0 }, default });
            if variadic || !self.take_sign(",") {
                return Ok((parameters, variadic));
            }
        }
    }

    /// `(a, b) -> ..`
    fn is_lambda(&self) -> bool {
        let end = self.token().partner;
        self.is_sign("(") && !self.in_case && end > self.index && self.is_sign_at(end - self.index + 1, "->")
    }

    fn lambda(&mut self) -> Parsed<Expr> {
        let at = self.at();
        self.next();
        let parameters = if self.is_sign(")") { Vec::new() } else { self.parameters()?.0 };
        self.expect_sign(")", "after the parameters")?;
        self.next();
        self.lambda_body(parameters, at)
    }

    fn lambda_body(&mut self, parameters: Vec<Parameter>, at: Position) -> Parsed<Expr> {
        self.skip_newlines();
        let body = if self.is_sign("{") {
            self.block("the lambda")?
        } else {
            let at = self.at();
            let kind = StatementKind::Expr(self.expression()?);
            vec![Statement { kind, at }]
        };
        Ok(make(Kind::Closure(Rc::new(function("closure", at, parameters, body))), at))
    }
}
