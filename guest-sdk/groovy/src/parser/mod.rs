//! Builds the syntax tree.
//!
//! Trees are walked by recursion, here and later, and the native stack is small. So the parser bounds how deep
//! brackets and blocks lie inside of each other, and how high a tree grows, which long chains of operators add to.

mod class;
mod expression;
mod statement;

use std::rc::Rc;

use crate::diagnostic::{Position, Refusal};
use crate::syntax::{
    ClassDef, Expr, Function, Import, Kind, Parameter, Program, Statement, StatementKind, Type,
};
use crate::token::{Token, Word};

/// Brackets and blocks inside of each other.
const DEPTH_MAX: u32 = 48;

/// Operators and calls that apply to each other's answers.
const HEIGHT_MAX: u32 = 250;

/// The parser stops with the first thing that it does not understand.
pub(crate) type Parsed<T> = Result<T, Refusal>;

/// Words that are no names.
const KEYWORDS: &[&str] = &[
    "abstract",
    "as",
    "assert",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "class",
    "continue",
    "def",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extends",
    "false",
    "final",
    "finally",
    "float",
    "for",
    "goto",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "int",
    "interface",
    "long",
    "native",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "short",
    "static",
    "strictfp",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "transient",
    "true",
    "try",
    "void",
    "volatile",
    "while",
];

/// Types that cannot be null.
const PRIMITIVES: &[&str] = &["boolean", "byte", "char", "double", "float", "int", "long", "short", "void"];

/// Annotations that change nothing here.
const ANNOTATIONS_IGNORED: &[&str] = &[
    "CompileStatic",
    "CompileDynamic",
    "TypeChecked",
    "Override",
    "SuppressWarnings",
    "Deprecated",
    "PackageScope",
    "AutoClone",
    "Newify",
    "NonNull",
    "Nullable",
    "DelegatesTo",
    "ClosureParams",
    "FunctionalInterface",
    "Memoized",
];

/// Annotations of classes and fields that are understood.
const ANNOTATIONS_KNOWN: &[&str] = &[
    "Canonical",
    "ToString",
    "EqualsAndHashCode",
    "TupleConstructor",
    "Immutable",
    "MapConstructor",
    "Field",
    "Sortable",
];

/// Builds the tree of a script.
pub(crate) fn program(tokens: &[Token], source: &[char]) -> Parsed<Program> {
    let mut parser = Parser::new(tokens, source);
    let body = parser.script()?;
    let Parser { functions, classes, imports, .. } = parser;
    let main = function("script", Position { line: 1, column: 1 }, Vec::new(), body);
    Ok(Program { main: Rc::new(main), functions, classes, imports, globals: Vec::new() })
}

pub(super) struct Parser<'a> {
    tokens: &'a [Token],
    source: &'a [char],
    index: usize,
    depth: u32,
    height: u32,
    /// Whether a name before an arrow is a case rather than a parameter.
    in_case: bool,
    functions: Vec<Rc<Function>>,
    classes: Vec<Rc<ClassDef>>,
    imports: Vec<Import>,
}

/// An annotation and the words between its parentheses.
type Annotation = (Rc<str>, Vec<Rc<str>>);

/// What stands in front of a declaration.
#[derive(Default)]
struct Modifiers {
    any: bool,
    is_static: bool,
    is_final: bool,
    is_abstract: bool,
    /// `public` fields and private ones are no properties.
    visibility: bool,
    annotations: Vec<Annotation>,
}

/// A function whose last statement is its answer.
fn function(name: &str, at: Position, parameters: Vec<Parameter>, mut body: Vec<Statement>) -> Function {
    answer_last(&mut body);
    Function {
        name: name.into(),
        at,
        parameters,
        variadic: false,
        body,
        is_static: false,
        is_abstract: false,
        answer: None,
        captures: Vec::new(),
        slots: 0,
        shared: Vec::new(),
        types: Vec::new(),
    }
}

/// Makes the value of the last statement the answer, as Groovy does.
fn answer_last(body: &mut Vec<Statement>) {
    let Some(last) = body.last_mut() else { return };
    let at = last.at;
    match &mut last.kind {
        kind @ StatementKind::Expr(_) => {
            if let StatementKind::Expr(expr) = std::mem::replace(kind, StatementKind::Nothing) {
                *kind = StatementKind::Return(Some(expr));
            }
        }
        StatementKind::Declare(declared, Some(_)) => {
            let name = Expr { kind: Kind::Name(Rc::clone(&declared.name)), at };
            body.push(Statement { kind: StatementKind::Return(Some(name)), at });
        }
        StatementKind::If(arms, other) => {
            arms.iter_mut().for_each(|(_, body)| answer_last(body));
            answer_last(other);
        }
        StatementKind::Try { body, catches, .. } => {
            answer_last(body);
            catches.iter_mut().for_each(|catch| answer_last(&mut catch.body));
        }
        StatementKind::Switch(switch) => {
            let count = switch.cases.len();
            for (index, case) in switch.cases.iter_mut().enumerate() {
                let breaks =
                    matches!(case.body.last(), Some(Statement { kind: StatementKind::Break(None), .. }));
                if breaks {
                    case.body.pop();
                    answer_last(&mut case.body);
                    let at = case.body.last().map_or(at, |last| last.at);
                    case.body.push(Statement { kind: StatementKind::Break(None), at });
                } else if case.arrow || index + 1 == count {
                    answer_last(&mut case.body);
                }
            }
        }
        StatementKind::Block(body) => answer_last(body),
        _ => {}
    }
}

/// How a token is called in messages.
fn described(token: &Token) -> String {
    match &token.word {
        Word::Name(name) => format!("`{name}`"),
        Word::Number(_) => "a number".to_owned(),
        Word::Text(text) => {
            let shown: String = text.chars().take(20).collect();
            format!("the text '{}'", shown.escape_debug())
        }
        Word::Template(_) => "a text".to_owned(),
        Word::Sign(sign) => format!("`{sign}`"),
        Word::Newline => "the end of the line".to_owned(),
        Word::End => "the end of the script".to_owned(),
    }
}

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token], source: &'a [char]) -> Self {
        let (functions, classes, imports) = (Vec::new(), Vec::new(), Vec::new());
        Self { tokens, source, index: 0, depth: 0, height: 0, in_case: false, functions, classes, imports }
    }

    fn token(&self) -> &'a Token {
        self.token_at(0)
    }

    /// A token further on; the last one is the end.
    fn token_at(&self, ahead: usize) -> &'a Token {
        const END: &Token = &Token {
            word: Word::End,
            at: Position { line: 0, column: 0 },
            partner: 0,
            spaced: true,
            span: (0, 0),
        };
        self.tokens.get(self.index + ahead).or_else(|| self.tokens.last()).unwrap_or(END)
    }

    fn at(&self) -> Position {
        self.token().at
    }

    fn next(&mut self) -> &'a Token {
        let token = self.token();
        self.index = (self.index + 1).min(self.tokens.len().saturating_sub(1));
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.is_sign_at(0, sign)
    }

    fn is_sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.token_at(ahead).word, Word::Sign(found) if found == sign)
    }

    fn is_name(&self, name: &str) -> bool {
        self.is_name_at(0, name)
    }

    fn is_name_at(&self, ahead: usize, name: &str) -> bool {
        matches!(&self.token_at(ahead).word, Word::Name(found) if **found == *name)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let taken = self.is_sign(sign);
        if taken {
            self.next();
        }
        taken
    }

    fn take_name(&mut self, name: &str) -> bool {
        let taken = self.is_name(name);
        if taken {
            self.next();
        }
        taken
    }

    fn expect_sign(&mut self, sign: &str, whereabouts: &str) -> Parsed<Position> {
        let at = self.at();
        if self.take_sign(sign) { Ok(at) } else { self.unexpected(&format!("`{sign}` {whereabouts}")) }
    }

    /// A name that is not a keyword.
    fn identifier(&mut self, what: &str) -> Parsed<Rc<str>> {
        match self.plain_name_at(0) {
            Some(name) => {
                self.next();
                Ok(name)
            }
            None => self.unexpected(what),
        }
    }

    fn plain_name_at(&self, ahead: usize) -> Option<Rc<str>> {
        match &self.token_at(ahead).word {
            Word::Name(name) if !KEYWORDS.contains(&&**name) => Some(Rc::clone(name)),
            _ => None,
        }
    }

    fn refuse<T>(&self, at: Position, message: impl Into<String>) -> Parsed<T> {
        Err(Refusal { at, message: message.into() })
    }

    fn unexpected<T>(&self, expected: &str) -> Parsed<T> {
        self.refuse(self.at(), format!("expected {expected}, found {}", described(self.token())))
    }

    fn skip_newlines(&mut self) {
        while matches!(self.token().word, Word::Newline) {
            self.next();
        }
    }

    /// Parses something that lies inside of something else.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            let message = format!(
                "brackets and blocks lie inside of each other more than {DEPTH_MAX} times; use variables or methods"
            );
            return self.refuse(self.at(), message);
        }
        self.depth += 1;
        let outer = std::mem::take(&mut self.height);
        let parsed = parse(self)?;
        self.depth -= 1;
        self.grow()?;
        self.height = self.height.max(outer);
        Ok(parsed)
    }

    /// The tree becomes one level higher.
    fn grow(&mut self) -> Parsed<()> {
        self.height += 1;
        if self.height <= HEIGHT_MAX {
            return Ok(());
        }
        let message =
            format!("more than {HEIGHT_MAX} operations apply to each other's answers; use variables");
        self.refuse(self.at(), message)
    }

    fn script(&mut self) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            while self.take_sign(";") || matches!(self.token().word, Word::Newline) {
                self.skip_newlines();
            }
            if matches!(self.token().word, Word::End) {
                return Ok(statements);
            }
            if self.is_name("import") {
                self.import()?;
            } else if self.is_name("package") && statements.is_empty() {
                while !matches!(self.token().word, Word::Newline | Word::End | Word::Sign(";")) {
                    self.next();
                }
            } else if !self.class_or_method()? {
                self.statement_into(&mut statements)?;
            }
            self.statement_end()?;
        }
    }

    fn import(&mut self) -> Parsed<()> {
        self.next();
        let is_static = self.take_name("static");
        let mut path = String::new();
        let mut star = false;
        loop {
            if self.take_sign("*") {
                star = true;
                break;
            }
            let Word::Name(name) = &self.token().word else {
                return self.unexpected("the name of a class, as in `import groovy.json.JsonSlurper`");
            };
            path.push_str(name);
            self.next();
            if self.take_sign(".*") || (self.is_sign(".") && self.is_sign_at(1, "*")) {
                self.next();
                self.next();
                star = true;
                break;
            }
            if !self.take_sign(".") {
                break;
            }
            path.push('.');
        }
        let alias = if self.take_name("as") { Some(self.identifier("a name after `as`")?) } else { None };
        self.imports.push(Import { path: path.trim_end_matches('.').into(), alias, is_static, star });
        Ok(())
    }

    /// After a statement comes a line end, a semicolon or a closing brace.
    fn statement_end(&mut self) -> Parsed<()> {
        match self.token().word {
            Word::Newline | Word::End | Word::Sign("}" | ";") => Ok(()),
            _ => self.unexpected("the end of the statement (a new line or `;`)"),
        }
    }

    /// Annotations, visibility and the like.
    fn modifiers(&mut self) -> Parsed<Modifiers> {
        let mut modifiers = Modifiers::default();
        loop {
            if self.is_sign("@") && !self.is_name_at(1, "interface") {
                let at = self.at();
                self.next();
                let annotation = self.annotation(at)?;
                modifiers.annotations.push(annotation);
                self.skip_newlines();
                continue;
            }
            let Word::Name(name) = &self.token().word else { return Ok(modifiers) };
            match &**name {
                "static" => modifiers.is_static = true,
                "final" => modifiers.is_final = true,
                "abstract" => modifiers.is_abstract = true,
                "private" | "protected" | "public" => modifiers.visibility = true,
                "transient" | "volatile" | "strictfp" | "synchronized"
                    if !self.is_sign_at(1, "(") && !self.is_sign_at(1, "=") => {}
                "def" => {}
                "var" if self.plain_name_at(1).is_some() || self.is_sign_at(1, "(") => {}
                _ => return Ok(modifiers),
            }
            modifiers.any = true;
            self.next();
            self.skip_newlines_before_word();
        }
    }

    /// Modifiers may stand on lines of their own.
    fn skip_newlines_before_word(&mut self) {
        if matches!(self.token().word, Word::Newline) && matches!(self.token_at(1).word, Word::Name(_)) {
            self.next();
        }
    }

    fn annotation(&mut self, at: Position) -> Parsed<Annotation> {
        let mut name = self.identifier("the name of an annotation")?;
        while self.take_sign(".") {
            name = self.identifier("the name of an annotation")?;
        }
        let mut words = Vec::new();
        if self.is_sign("(") && !self.token().spaced {
            let end = self.token().partner;
            while self.index < end {
                self.next();
                if let Word::Name(word) = &self.token().word {
                    words.push(Rc::clone(word));
                }
            }
            self.next();
        }
        if !ANNOTATIONS_KNOWN.contains(&&*name) && !ANNOTATIONS_IGNORED.contains(&&*name) {
            return self.refuse(
                at,
                format!(
                    "the annotation `@{name}` is not supported; remove it, or write what it does as code"
                ),
            );
        }
        Ok((name, words))
    }

    /// A type, if there is one; else nothing is consumed.
    fn type_name(&mut self) -> Option<Type> {
        let start = self.index;
        let at = self.at();
        let Word::Name(first) = &self.token().word else { return None };
        let primitive = PRIMITIVES.contains(&&**first);
        if !primitive && KEYWORDS.contains(&&**first) {
            return None;
        }
        let mut name = first.to_string();
        self.next();
        while !primitive && self.is_sign(".") {
            let Some(part) = self.plain_name_at(1) else { break };
            name.push('.');
            name.push_str(&part);
            self.next();
            self.next();
        }
        if self.is_sign("<") && !self.generics() {
            self.index = start;
            return None;
        }
        let mut dimensions: u8 = 0;
        while self.is_sign("[") && self.is_sign_at(1, "]") {
            self.next();
            self.next();
            dimensions = dimensions.saturating_add(1);
        }
        let primitive = primitive && dimensions == 0;
        Some(Type { name: name.into(), at, dimensions, primitive, class: None })
    }

    /// Skips `<..>`; whether that is what was there.
    fn generics(&mut self) -> bool {
        let mut open = 0i32;
        loop {
            match &self.token().word {
                Word::Sign("<") => open += 1,
                Word::Sign(">") => open -= 1,
                Word::Sign(">>") => open -= 2,
                Word::Sign(">>>") => open -= 3,
                Word::Sign("," | "." | "?" | "&" | "[" | "]") => {}
                Word::Name(name)
                    if !KEYWORDS.contains(&&**name)
                        || PRIMITIVES.contains(&&**name)
                        || matches!(&**name, "extends" | "super") => {}
                _ => return false,
            }
            self.next();
            if open <= 0 {
                return open == 0;
            }
        }
    }

    /// Whether a type's name looks like one: others are taken for methods, as in `println x`.
    fn looks_like_type(class: &Type) -> bool {
        let last = class.name.rsplit('.').next().unwrap_or(&class.name);
        PRIMITIVES.contains(&last) || last.starts_with(|first: char| first.is_uppercase())
    }
}
