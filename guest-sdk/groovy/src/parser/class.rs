//! Classes, and methods of the script.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Modifiers, Parsed, Parser, function};
use crate::diagnostic::Position;
use crate::syntax::{
    Arguments, ClassBody, ClassDef, EnumConstant, Expr, Field, Function, Kind, Statement, StatementKind, Type,
};
use crate::token::Word;

/// Classes of a script: each name is looked for among them.
const CLASSES_MAX: usize = 1_000;

impl Parser<'_> {
    /// A class or a method of the script, if there is one; else nothing is consumed.
    pub(super) fn class_or_method(&mut self) -> Parsed<bool> {
        let start = self.index;
        let modifiers = self.modifiers()?;
        if self.begins_class() {
            self.class(&modifiers)?;
            return Ok(true);
        }
        if let Some(function) = self.method(&modifiers, false)? {
            self.functions.push(Rc::new(function));
            return Ok(true);
        }
        self.index = start;
        Ok(false)
    }

    fn begins_class(&self) -> bool {
        let Word::Name(word) = &self.token().word else {
            return self.is_sign("@") && self.is_name_at(1, "interface");
        };
        matches!(&**word, "class" | "interface" | "enum")
            || (matches!(&**word, "trait" | "record") && self.plain_name_at(1).is_some() && {
                matches!(self.token_at(2).word, Word::Sign("{" | "(" | "<") | Word::Name(_))
            })
    }

    fn class(&mut self, modifiers: &Modifiers) -> Parsed<()> {
        let at = self.at();
        let word = match &self.next().word {
            Word::Name(word) => word.to_string(),
            _ => return self.refuse(at, "defining annotations is not supported; remove it"),
        };
        if word == "record" {
            return self.refuse(at, "a record is not supported; write a class with properties");
        }
        let name = self.identifier(&format!("the name of the {word}"))?;
        if self.is_sign("<") {
            self.generics();
        }
        let mut body = ClassBody { annotations: modifiers.annotations.clone(), ..ClassBody::default() };
        loop {
            self.skip_newlines();
            let extends = self.is_name("extends");
            if !extends && !self.is_name("implements") {
                break;
            }
            self.next();
            loop {
                let Some(class) = self.type_name() else {
                    return self.unexpected("the name of a class");
                };
                if extends && word != "interface" {
                    body.parent = Some(class);
                } else {
                    body.interfaces.push(class);
                }
                if !self.take_sign(",") {
                    break;
                }
            }
        }
        let definition = Rc::new(ClassDef {
            name: Rc::clone(&name),
            at,
            index: self.classes.len(),
            is_enum: word == "enum",
            is_interface: word == "interface" || word == "trait",
            is_abstract: modifiers.is_abstract,
            body: RefCell::default(),
        });
        if self.classes.len() >= CLASSES_MAX {
            return self.refuse(at, format!("the script defines more than {CLASSES_MAX} classes"));
        }
        if self.classes.iter().any(|known| known.name == name) {
            return self.refuse(at, format!("the class `{name}` is defined twice; rename one of them"));
        }
        self.classes.push(Rc::clone(&definition));
        self.expect_sign("{", &format!("to begin the body of the class `{name}`"))?;
        self.nested(|parser| {
            if word == "enum" {
                parser.constants(&mut body)?;
            }
            parser.members(&name, &mut body, word == "interface")
        })?;
        self.expect_sign("}", &format!("to end the class `{name}`"))?;
        *definition.body.borrow_mut() = body;
        Ok(())
    }

    fn constants(&mut self, body: &mut ClassBody) -> Parsed<()> {
        loop {
            self.skip_newlines();
            let at = self.at();
            let Some(name) = self.plain_name_at(0) else { return Ok(()) };
            if !matches!(self.token_at(1).word, Word::Newline | Word::Sign("," | ";" | "(" | "}" | "{")) {
                return Ok(());
            }
            self.next();
            let arguments = if self.is_sign("(") { self.arguments()? } else { Arguments::default() };
            if self.is_sign("{") {
                return self.refuse(
                    self.at(),
                    format!("a body of the constant `{name}` is not supported; use a `switch` in a method of the enum"),
                );
            }
            let class = Type { name: "".into(), at, dimensions: 0, primitive: false, class: None };
            let new = Expr { kind: Kind::New { class, arguments }, at };
            let body_of = vec![Statement { kind: StatementKind::Expr(new), at }];
            let arguments = Rc::new(Function { is_static: true, ..function(&name, at, Vec::new(), body_of) });
            body.constants.push(EnumConstant { name, arguments });
            self.skip_newlines();
            if !self.take_sign(",") {
                self.take_sign(";");
                return Ok(());
            }
        }
    }

    fn members(&mut self, class: &Rc<str>, body: &mut ClassBody, is_interface: bool) -> Parsed<()> {
        loop {
            while self.take_sign(";") || matches!(self.token().word, Word::Newline) {
                self.skip_newlines();
            }
            if self.is_sign("}") {
                return Ok(());
            }
            let at = self.at();
            let modifiers = self.modifiers()?;
            if self.begins_class() {
                self.class(&modifiers)?;
            } else if self.is_sign("{") {
                return self
                    .refuse(at, "a block among the members of a class is not supported; use a constructor");
            } else if self.is_name_at(0, class) && self.is_sign_at(1, "(") {
                let at = self.at();
                self.next();
                let constructor = self.function(class, at)?;
                body.constructors.push(Rc::new(constructor));
            } else if let Some(mut method) = self.method(&modifiers, true)? {
                method.is_static = modifiers.is_static;
                if method.is_abstract && !modifiers.is_abstract && !is_interface {
                    return self.refuse(
                        method.at,
                        format!("the method `{}` has no body; add `{{ .. }}`", method.name),
                    );
                }
                body.methods.push(Rc::new(method));
            } else {
                self.fields(&modifiers, body)?;
            }
            match self.token().word {
                Word::Newline | Word::Sign(";" | "}") => {}
                _ => return self.unexpected("the end of the member (a new line or `;`)"),
            }
        }
    }

    fn fields(&mut self, modifiers: &Modifiers, body: &mut ClassBody) -> Parsed<()> {
        let untyped = modifiers.any
            && self.plain_name_at(0).is_some()
            && matches!(self.token_at(1).word, Word::Sign("=" | ";" | "," | "}") | Word::Newline);
        let class = if untyped { None } else { self.type_name() };
        if class.is_none() && !modifiers.any {
            return self.unexpected("a property (`String name`) or a method (`def name() { .. }`)");
        }
        loop {
            let at = self.at();
            let name = self.identifier("the name of a property")?;
            let initial = if self.take_sign("=") {
                self.skip_newlines();
                let value = self.command()?;
                let statement = Statement { kind: StatementKind::Expr(value), at };
                let is_static = modifiers.is_static;
                Some(Rc::new(Function { is_static, ..function(&name, at, Vec::new(), vec![statement]) }))
            } else {
                None
            };
            body.fields.push(Field {
                name,
                class: class.clone(),
                initial,
                is_static: modifiers.is_static,
                is_property: !modifiers.visibility,
                is_final: modifiers.is_final,
            });
            if !self.take_sign(",") {
                return Ok(());
            }
            self.skip_newlines();
        }
    }

    /// A method with its name, if there is one; else nothing but modifiers is consumed.
    fn method(&mut self, modifiers: &Modifiers, in_class: bool) -> Parsed<Option<Function>> {
        let start = self.index;
        if self.is_sign("<") {
            self.generics();
        }
        let untyped = modifiers.any && self.is_sign_at(1, "(");
        let class = if untyped { None } else { self.type_name() };
        let at = self.at();
        let name = match &self.token().word {
            Word::Name(name) => Rc::clone(name),
            Word::Text(name) if modifiers.any => Rc::clone(name),
            _ => {
                self.index = start;
                return Ok(None);
            }
        };
        let typed = class.as_ref().is_some_and(Self::looks_like_type);
        let is_method = self.is_sign_at(1, "(") && (untyped || typed) && {
            // Of a script's method the body tells it from a call.
            let end = self.token_at(1).partner;
            let mut after = end.saturating_sub(self.index) + 1;
            while !in_class && matches!(self.token_at(after).word, Word::Newline) {
                after += 1;
            }
            in_class || self.is_sign_at(after, "{") || self.is_name_at(after, "throws")
        };
        if !is_method {
            self.index = start;
            return Ok(None);
        }
        self.next();
        let mut method = self.function(&name, at)?;
        method.answer = class.filter(|class| &*class.name != "Object");
        Ok(Some(method))
    }

    /// Parameters and body.
    fn function(&mut self, name: &str, at: Position) -> Parsed<Function> {
        self.expect_sign("(", &format!("after `{name}`"))?;
        let (parameters, variadic) =
            if self.is_sign(")") { (Vec::new(), false) } else { self.nested(Self::parameters)? };
        self.expect_sign(")", &format!("or `,` after a parameter of `{name}`"))?;
        let mut ahead = 0;
        while matches!(self.token_at(ahead).word, Word::Newline) {
            ahead += 1;
        }
        if self.is_name_at(ahead, "throws") {
            self.index += ahead + 1;
            while self.type_name().is_some() && self.take_sign(",") {}
            ahead = 0;
            while matches!(self.token_at(ahead).word, Word::Newline) {
                ahead += 1;
            }
        }
        if !self.is_sign_at(ahead, "{") {
            let function = function(name, at, parameters, Vec::new());
            return Ok(Function { variadic, is_abstract: true, ..function });
        }
        self.index += ahead;
        let body = self.block(&format!("the method `{name}`"))?;
        Ok(Function { variadic, ..function(name, at, parameters, body) })
    }
}
