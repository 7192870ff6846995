//! Statements.

use std::rc::Rc;

use super::{Parsed, Parser};
use crate::diagnostic::Position;
use crate::syntax::{Case, Catch, Declared, Expr, Kind, Statement, StatementKind, Switch, Type};
use crate::token::Word;

/// Variables that one loop or one declaration introduces.
const DECLARED_MAX: usize = 256;

impl Parser<'_> {
    /// Statements in braces.
    pub(super) fn block(&mut self, owner: &str) -> Parsed<Vec<Statement>> {
        self.expect_sign("{", &format!("to begin the body of {owner}"))?;
        let statements = self.nested(Self::statements)?;
        self.expect_sign("}", &format!("to end the body of {owner}"))?;
        Ok(statements)
    }

    /// Statements up to the closing brace.
    pub(super) fn statements(&mut self) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            while self.take_sign(";") || matches!(self.token().word, Word::Newline) {
                self.skip_newlines();
            }
            if self.is_sign("}") || matches!(self.token().word, Word::End) {
                return Ok(statements);
            }
            self.statement_into(&mut statements)?;
            self.statement_end()?;
        }
    }

    /// A block, or a single statement instead.
    fn body(&mut self, owner: &str) -> Parsed<Vec<Statement>> {
        self.skip_newlines();
        if self.is_sign("{") {
            return self.block(owner);
        }
        if self.take_sign(";") {
            return Ok(Vec::new());
        }
        let mut statements = Vec::new();
        self.nested(|parser| parser.statement_into(&mut statements))?;
        Ok(statements)
    }

    /// One statement; declarations of several variables are several.
    pub(super) fn statement_into(&mut self, statements: &mut Vec<Statement>) -> Parsed<()> {
        let at = self.at();
        if self.declaration(statements)? {
            return Ok(());
        }
        let kind = self.statement_kind()?;
        statements.push(Statement { kind, at });
        Ok(())
    }

    fn statement_kind(&mut self) -> Parsed<StatementKind> {
        let at = self.at();
        let Word::Name(word) = &self.token().word else {
            if self.is_sign("{") && !self.is_closure() {
                return Ok(StatementKind::Block(self.block("the block")?));
            }
            return self.expression_statement();
        };
        if self.is_sign_at(1, ":") && matches!(self.token_at(2).word, Word::Name(_) | Word::Newline) {
            if let Some(label) = self.plain_name_at(0) {
                self.next();
                self.next();
                self.skip_newlines();
                return self.labelled(label);
            }
        }
        match &**word {
            "if" => self.if_statement(),
            "while" | "do" | "for" => self.loop_statement(None),
            "switch" => Ok(StatementKind::Switch(Box::new(self.switch()?))),
            "try" => self.try_statement(),
            "return" => {
                self.next();
                if matches!(self.token().word, Word::Newline | Word::End | Word::Sign("}" | ";")) {
                    return Ok(StatementKind::Return(None));
                }
                Ok(StatementKind::Return(Some(self.command()?)))
            }
            "throw" => {
                self.next();
                Ok(StatementKind::Throw(self.expression()?))
            }
            "break" | "continue" => {
                self.next();
                let label = match self.plain_name_at(0) {
                    Some(label) => {
                        self.next();
                        Some(label)
                    }
                    None => None,
                };
                Ok(if &**word == "break" {
                    StatementKind::Break(label)
                } else {
                    StatementKind::Continue(label)
                })
            }
            "assert" => self.assert_statement(),
            "class" | "interface" | "enum" | "trait" => self.refuse(
                at,
                format!(
                    "a {word} inside of other code is not supported; move it to the top level of the script"
                ),
            ),
            "synchronized" => {
                self.refuse(at, "`synchronized` is not supported: a script runs alone; remove it")
            }
            "goto" => self.refuse(at, "`goto` is not supported; use loops with `break` and `continue`"),
            "import" => {
                self.refuse(at, "an import inside of other code is not supported; move it to the top")
            }
            "case" | "default" if !self.is_sign_at(1, "(") && !self.is_sign_at(1, ".") => {
                self.refuse(at, format!("`{word}` stands outside of a `switch`"))
            }
            "else" | "catch" | "finally" => {
                self.refuse(at, format!("`{word}` without what belongs before it: `if`, or `try`"))
            }
            _ => self.expression_statement(),
        }
    }

    fn expression_statement(&mut self) -> Parsed<StatementKind> {
        if let Some(targets) = self.multi_assignment()? {
            return Ok(StatementKind::Expr(targets));
        }
        Ok(StatementKind::Expr(self.command()?))
    }

    /// `(a, b) = list`
    fn multi_assignment(&mut self) -> Parsed<Option<Expr>> {
        let at = self.at();
        let end = self.token().partner;
        let after = end.checked_sub(self.index).map(|distance| distance + 1);
        let is_it =
            self.is_sign("(") && end > self.index && after.is_some_and(|ahead| self.is_sign_at(ahead, "="));
        if !is_it {
            return Ok(None);
        }
        self.next();
        let mut targets = Vec::new();
        loop {
            targets.push(self.expression()?);
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect_sign(")", "after the variables")?;
        self.next();
        self.skip_newlines();
        let value = self.command()?;
        if let [only] = &targets[..] {
            return self
                .refuse(only.at, "expected at least two variables in `(a, b) = ..`; remove the parentheses");
        }
        Ok(Some(Expr { kind: Kind::MultiAssign(targets, Box::new(value)), at }))
    }

    fn labelled(&mut self, label: Rc<str>) -> Parsed<StatementKind> {
        match &self.token().word {
            Word::Name(word) if matches!(&**word, "for" | "while" | "do") => self.loop_statement(Some(label)),
            _ => self.unexpected(&format!("a loop after the label `{label}:`")),
        }
    }

    fn if_statement(&mut self) -> Parsed<StatementKind> {
        let mut arms = Vec::new();
        loop {
            self.next();
            let condition = self.condition("if")?;
            let body = self.body("`if`")?;
            arms.push((condition, body));
            // `else` may come on a line of its own, or after a semicolon.
            let mut ahead = 0;
            while matches!(self.token_at(ahead).word, Word::Newline | Word::Sign(";")) {
                ahead += 1;
            }
            if !self.is_name_at(ahead, "else") {
                return Ok(StatementKind::If(arms, Vec::new()));
            }
            self.index += ahead + 1;
            self.skip_newlines();
            if !self.is_name("if") {
                let other = self.body("`else`")?;
                return Ok(StatementKind::If(arms, other));
            }
        }
    }

    /// An expression in parentheses.
    fn condition(&mut self, word: &str) -> Parsed<Expr> {
        self.expect_sign("(", &format!("after `{word}`"))?;
        let condition = self.expression()?;
        self.expect_sign(")", &format!("after the condition of `{word}`"))?;
        Ok(condition)
    }

    fn loop_statement(&mut self, label: Option<Rc<str>>) -> Parsed<StatementKind> {
        if self.take_name("while") {
            let condition = self.condition("while")?;
            let body = self.body("`while`")?;
            return Ok(StatementKind::While { label, condition, body, first: true });
        }
        if self.take_name("do") {
            let body = self.body("`do`")?;
            self.skip_newlines();
            self.take_sign(";");
            if !self.take_name("while") {
                return self.unexpected("`while` after the body of `do`");
            }
            let condition = self.condition("while")?;
            return Ok(StatementKind::While { label, condition, body, first: false });
        }
        self.next();
        self.expect_sign("(", "after `for`")?;
        if let Some((variable, index)) = self.for_variable()? {
            let items = self.expression()?;
            self.expect_sign(")", "after the items of `for`")?;
            let body = self.body("`for`")?;
            return Ok(StatementKind::For { label, variable, index, items, body });
        }
        let mut start = Vec::new();
        if !self.is_sign(";") && !self.declaration(&mut start)? {
            loop {
                let at = self.at();
                let kind = self.expression_statement()?;
                start.push(Statement { kind, at });
                if !self.take_sign(",") {
                    break;
                }
            }
        }
        self.expect_sign(";", "or `in` after the variable of `for`, as in `for (x in list)`")?;
        let condition = if self.is_sign(";") { None } else { Some(self.expression()?) };
        self.expect_sign(";", "after the condition of `for`")?;
        let mut step = Vec::new();
        while !self.is_sign(")") {
            step.push(self.expression()?);
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect_sign(")", "after the last part of `for`")?;
        let body = self.body("`for`")?;
        Ok(StatementKind::Loop { label, start, condition, step, body })
    }

    /// `x in`, `def x in`, `Type x :`; nothing is consumed when it is something else.
    fn for_variable(&mut self) -> Parsed<Option<(Declared, Option<Declared>)>> {
        let start = self.index;
        self.modifiers()?;
        let class = match self.plain_name_at(0) {
            Some(_) if self.ends_for_variable(1) || self.is_sign_at(1, ",") => None,
            _ => self.type_name(),
        };
        let Some(name) = self.plain_name_at(0) else {
            self.index = start;
            return Ok(None);
        };
        let at = self.at();
        // `for (value, index in list)`
        if self.is_sign_at(1, ",") && self.plain_name_at(2).is_some() && self.ends_for_variable(3) {
            self.next();
            self.next();
            let index_at = self.at();
            let index = self.identifier("a variable")?;
            self.next();
            let variable = Declared { name, at, class, slot: 0 };
            return Ok(Some((variable, Some(Declared { name: index, at: index_at, class: None, slot: 0 }))));
        }
        if !self.ends_for_variable(1) {
            self.index = start;
            return Ok(None);
        }
        self.next();
        self.next();
        Ok(Some((Declared { name, at, class, slot: 0 }, None)))
    }

    fn ends_for_variable(&self, ahead: usize) -> bool {
        self.is_name_at(ahead, "in") || self.is_sign_at(ahead, ":")
    }

    /// The value and the cases of a switch.
    pub(super) fn switch(&mut self) -> Parsed<Switch> {
        self.next();
        let value = self.condition("switch")?;
        self.skip_newlines();
        self.expect_sign("{", "after the value of `switch`")?;
        let cases = self.nested(|parser| {
            let mut cases = Vec::new();
            loop {
                parser.skip_newlines();
                let mut values = Vec::new();
                if parser.take_name("case") {
                    let outer = std::mem::replace(&mut parser.in_case, true);
                    loop {
                        values.push(parser.expression()?);
                        if !parser.take_sign(",") {
                            break;
                        }
                        parser.skip_newlines();
                    }
                    parser.in_case = outer;
                } else if !parser.take_name("default") {
                    return Ok(cases);
                }
                cases.push(parser.case(values)?);
            }
        })?;
        self.expect_sign("}", "or `case` in `switch`")?;
        Ok(Switch { value, cases })
    }

    fn case(&mut self, values: Vec<Expr>) -> Parsed<Case> {
        if self.take_sign("->") {
            self.skip_newlines();
            let body = self.body("`case`")?;
            self.take_sign(";");
            return Ok(Case { values, body, arrow: true });
        }
        self.expect_sign(":", "or `->` after `case`")?;
        let mut body = Vec::new();
        loop {
            while self.take_sign(";") || matches!(self.token().word, Word::Newline) {
                self.skip_newlines();
            }
            let is_default = self.is_name("default") && (self.is_sign_at(1, ":") || self.is_sign_at(1, "->"));
            if self.is_sign("}")
                || self.is_name("case")
                || is_default
                || matches!(self.token().word, Word::End)
            {
                return Ok(Case { values, body, arrow: false });
            }
            self.statement_into(&mut body)?;
            self.statement_end()?;
        }
    }

    fn try_statement(&mut self) -> Parsed<StatementKind> {
        let at = self.at();
        self.next();
        if self.is_sign("(") {
            return self.refuse(
                self.at(),
                "`try` with resources is not supported: a script has nothing to close; write `try { .. }`",
            );
        }
        self.skip_newlines();
        let body = self.block("`try`")?;
        let (mut catches, mut finally) = (Vec::new(), None);
        loop {
            let mut ahead = 0;
            while matches!(self.token_at(ahead).word, Word::Newline) {
                ahead += 1;
            }
            if self.is_name_at(ahead, "catch") {
                self.index += ahead + 1;
                catches.push(self.catch()?);
            } else if self.is_name_at(ahead, "finally") {
                self.index += ahead + 1;
                self.skip_newlines();
                finally = Some(self.block("`finally`")?);
                break;
            } else {
                break;
            }
        }
        if catches.is_empty() && finally.is_none() {
            return self
                .refuse(at, "expected `catch (Exception e) { .. }` or `finally { .. }` after `try { .. }`");
        }
        Ok(StatementKind::Try { body, catches, finally })
    }

    fn catch(&mut self) -> Parsed<Catch> {
        self.expect_sign("(", "after `catch`")?;
        self.take_name("final");
        let mut classes: Vec<Type> = Vec::new();
        // `catch (e)` and `catch (def e)` take every exception.
        let untyped = self.take_name("def") || (self.plain_name_at(0).is_some() && self.is_sign_at(1, ")"));
        if !untyped {
            loop {
                let Some(class) = self.type_name() else {
                    return self.unexpected("the class of an exception, as in `catch (Exception e)`");
                };
                classes.push(class);
                if !self.take_sign("|") {
                    break;
                }
            }
        }
        let at = self.at();
        let name = self.identifier("a variable for the exception, as in `catch (Exception e)`")?;
        self.expect_sign(")", "after the variable of `catch`")?;
        self.skip_newlines();
        let body = self.block("`catch`")?;
        Ok(Catch { classes, variable: Declared { name, at, class: None, slot: 0 }, body })
    }

    fn assert_statement(&mut self) -> Parsed<StatementKind> {
        self.next();
        let from = self.token().span.0;
        let condition = self.expression()?;
        let until =
            self.index.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(from, |last| last.span.1);
        let text: String = self.source.get(from..until).unwrap_or_default().iter().collect();
        let message = if self.take_sign(":") || self.take_sign(",") {
            self.skip_newlines();
            Some(self.expression()?)
        } else {
            None
        };
        Ok(StatementKind::Assert { condition, message, text: text.into() })
    }

    /// A declaration of variables, if there is one; else nothing is consumed.
    fn declaration(&mut self, statements: &mut Vec<Statement>) -> Parsed<bool> {
        let (start, at) = (self.index, self.at());
        let modifiers = self.modifiers()?;
        if self.is_sign("(") && modifiers.any {
            return self.declare_many(at, statements).map(|()| true);
        }
        let class = if modifiers.any && self.plain_name_at(0).is_some() && !self.names_type() {
            None
        } else {
            let Some(class) = self.type_name() else {
                return self.no_declaration(start, modifiers.any);
            };
            if !modifiers.any && (!Self::looks_like_type(&class) || !self.names_variable()) {
                self.index = start;
                return Ok(false);
            }
            Some(class)
        };
        let is_field = modifiers.annotations.iter().any(|(name, _)| &**name == "Field");
        for count in 0.. {
            let at = self.at();
            let name = self.identifier("the name of a variable")?;
            if self.is_sign("(") {
                return self.refuse(at, format!("the method `{name}` inside of other code is not supported; move it to the top level, or write `def {name} = {{ .. }}`"));
            }
            let value = if self.take_sign("=") {
                self.skip_newlines();
                Some(self.command()?)
            } else {
                None
            };
            let kind = if is_field {
                let target = Expr { kind: Kind::Name(name), at };
                let value = value.unwrap_or(Expr { kind: Kind::Constant(crate::value::Value::Null), at });
                StatementKind::Expr(Expr { kind: Kind::Assign(Box::new(target), Box::new(value)), at })
            } else {
                StatementKind::Declare(Declared { name, at, class: class.clone(), slot: 0 }, value)
            };
            statements.push(Statement { kind, at });
            if count == DECLARED_MAX {
                return self.refuse(
                    at,
                    format!("a declaration of more than {DECLARED_MAX} variables; write several"),
                );
            }
            if !self.take_sign(",") {
                break;
            }
            self.skip_newlines();
        }
        Ok(true)
    }

    fn no_declaration(&mut self, start: usize, modified: bool) -> Parsed<bool> {
        if modified {
            return self.unexpected("the name of a variable, as in `def x = 1`");
        }
        self.index = start;
        Ok(false)
    }

    /// Whether a type stands here and a variable behind it, as in `def String x` and `final List<String> x`.
    fn names_type(&mut self) -> bool {
        let start = self.index;
        let found = self.type_name().is_some() && self.plain_name_at(0).is_some();
        self.index = start;
        found
    }

    /// Whether a variable stands here that a type before it declares.
    fn names_variable(&self) -> bool {
        self.plain_name_at(0).is_some()
            && matches!(
                self.token_at(1).word,
                Word::Newline | Word::End | Word::Sign("=" | ";" | "," | "}" | ")")
            )
    }

    fn declare_many(&mut self, at: Position, statements: &mut Vec<Statement>) -> Parsed<()> {
        self.next();
        let mut variables = Vec::new();
        loop {
            let class = if self.names_type() { self.type_name() } else { None };
            let at = self.at();
            let name = self.identifier("the name of a variable")?;
            variables.push(Declared { name, at, class, slot: 0 });
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect_sign(")", "after the variables")?;
        self.expect_sign("=", "and a list after the variables, as in `def (a, b) = [1, 2]`")?;
        self.skip_newlines();
        let value = self.command()?;
        statements.push(Statement { kind: StatementKind::DeclareMany(variables, value), at });
        Ok(())
    }
}
