//! From tokens to an expression, by recursive descent with precedence climbing for the binary operators.

use crate::date::Pattern;
use crate::error::{Error, Fault, nearest};
use crate::functions::{Function, Method};
use crate::lexer::{Kind as Lexeme, Token, tokens};
use crate::path::Path;
use crate::syntax::{Expression, Kind, Node, Operator, Prepared};

/// Longest text of an expression in bytes. The longest of the documentation has about 150.
const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Deepest nesting of brackets and branches while parsing.
const NESTING_MAX: usize = 64;
/// Deepest tree; also bounds chains such as `a + b + c` and `a.b.c`, which nest to the left.
const DEPTH_MAX: usize = 256;

/// Parses an expression.
///
/// # Errors
/// Names the first mistake with its place; an unknown name comes with the known one that is nearest.
///
/// ```
/// let error = granary_expression::parse("#jsonPaht(payload, 'id')").unwrap_err();
/// assert_eq!(error.to_string(), "unknown function '#jsonPaht': did you mean '#jsonPath'? (line 1, column 1)");
/// ```
pub fn parse(text: &str) -> Result<Expression, Error> {
    let parse = || {
        if text.len() > TEXT_BYTES_MAX {
            let message =
                format!("the expression has {} bytes, more than the {TEXT_BYTES_MAX} allowed", text.len());
            return Err(Fault::new(0, message));
        }
        let mut parser = Parser { tokens: tokens(text)?, at: 0, nesting: 0 };
        let root = parser.whole()?;
        Ok(Expression { text: text.to_owned(), root })
    };
    parse().map_err(|fault| fault.located(text))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
}

type Parsed = Result<Node, Fault>;

impl Parser {
    fn whole(&mut self) -> Parsed {
        if self.peek() == &Lexeme::End {
            return Err(Fault::new(0, "the expression is empty"));
        }
        self.no_property_prefix()?;
        let root = self.expression()?;
        match self.peek() {
            Lexeme::End => Ok(root),
            Lexeme::Symbol("=") => Err(self.fault("nothing can be assigned; to compare, write '=='")),
            other => {
                let message =
                    format!("expected an operator or the end of the expression, got {}", other.shown());
                Err(self.fault(message))
            }
        }
    }

    /// The documentation writes `metadata.correlationIdExpression=...`, where only the part behind `=` is meant.
    fn no_property_prefix(&self) -> Result<(), Fault> {
        let equals = self.tokens.iter().position(|token| token.kind == Lexeme::Symbol("="));
        let Some(equals) = equals.filter(|_| self.peek() == &Lexeme::Word("metadata".to_owned())) else {
            return Ok(());
        };
        let message = "leave out the name of the property: the expression is what stands behind '='";
        Err(Fault::new(self.tokens[equals].offset, message))
    }

    /// `condition ? then : otherwise`, or what binds more tightly.
    fn expression(&mut self) -> Parsed {
        self.nested(|parser| {
            let condition = parser.elvis()?;
            let offset = parser.offset();
            if !parser.eat("?") {
                return Ok(condition);
            }
            let then = Box::new(parser.expression()?);
            parser.expect(":", "between the branches of '?'")?;
            let otherwise = Box::new(parser.expression()?);
            parser.node(offset, Kind::Ternary { condition: Box::new(condition), then, otherwise })
        })
    }

    fn elvis(&mut self) -> Parsed {
        let mut value = self.binary(0)?;
        loop {
            let offset = self.offset();
            if !self.eat("?:") {
                return Ok(value);
            }
            let otherwise = Box::new(self.binary(0)?);
            value = self.node(offset, Kind::Elvis { value: Box::new(value), otherwise })?;
        }
    }

    /// Operators that bind more tightly than `floor`; equal ones group to the left.
    fn binary(&mut self, floor: u8) -> Parsed {
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|operator| operator.precedence() > floor) {
            let offset = self.offset();
            self.at += 1;
            let right = Box::new(self.binary(operator.precedence())?);
            left = self.node(offset, Kind::Binary { operator, left: Box::new(left), right })?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<Operator> {
        match self.peek() {
            Lexeme::Symbol(symbol) => Operator::of(symbol),
            Lexeme::Word(word) => Operator::of(&word.to_ascii_lowercase()),
            _ => None,
        }
    }

    fn unary(&mut self) -> Parsed {
        let offset = self.offset();
        let not = self.eat("!") || self.eat_word("not");
        if !not && !self.eat("-") {
            return self.postfix();
        }
        let operand = Box::new(self.nested(Self::unary)?);
        self.node(offset, if not { Kind::Not(operand) } else { Kind::Negate(operand) })
    }

    fn postfix(&mut self) -> Parsed {
        let mut target = self.primary()?;
        loop {
            let offset = self.offset();
            let safe = self.eat("?.");
            if safe || self.eat(".") {
                if safe && self.eat("[") {
                    target = self.index(offset, target, safe)?;
                    continue;
                }
                let name_at = self.offset();
                let Lexeme::Word(name) = self.next() else {
                    return Err(Fault::new(
                        name_at,
                        "expected a name behind '.'; odd names are written ['so-on']",
                    ));
                };
                target = if self.eat("(") {
                    self.method(name_at, target, &name, safe)?
                } else {
                    self.node(name_at, Kind::Property { target: Box::new(target), name, safe })?
                };
            } else if self.eat("[") {
                target = self.index(offset, target, false)?;
            } else {
                return Ok(target);
            }
        }
    }

    /// What follows `[`.
    fn index(&mut self, offset: usize, target: Node, safe: bool) -> Parsed {
        let key = Box::new(self.expression()?);
        self.expect("]", "to close '['")?;
        self.node(offset, Kind::Index { target: Box::new(target), key, safe })
    }

    /// What follows `.name(`.
    fn method(&mut self, offset: usize, target: Node, name: &str, safe: bool) -> Parsed {
        let Some(method) = Method::of(name) else {
            let message =
                format!("unknown method '{name}'{}", meant(name, Method::names(), "", ", known are: "));
            return Err(Fault::new(offset, message));
        };
        let arguments = self.arguments()?;
        if !method.takes().contains(&arguments.len()) {
            let message = format!("'{name}' takes {}, got {}", method.wanted(), arguments.len());
            return Err(Fault::new(offset, message));
        }
        self.node(offset, Kind::Method { target: Box::new(target), method, arguments, safe })
    }

    fn primary(&mut self) -> Parsed {
        let offset = self.offset();
        match self.next() {
            Lexeme::Text(text) => self.node(offset, Kind::Text(text)),
            Lexeme::Number(number) => self.node(offset, Kind::Number(number)),
            Lexeme::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")", "to close '('")?;
                Ok(inner)
            }
            Lexeme::Symbol("#") => match self.next() {
                Lexeme::Word(name) if self.peek() == &Lexeme::Symbol("(") => self.call(offset, &name, "#"),
                Lexeme::Word(name) => {
                    let hint = if Function::of(&name).is_some() {
                        ": a function needs its brackets, as in"
                    } else {
                        ": expected a function, as in"
                    };
                    Err(Fault::new(offset, format!("there is no variable '#{name}'{hint} '#nowMillis()'")))
                }
                _ => Err(Fault::new(offset, "expected the name of a function behind '#'")),
            },
            Lexeme::Symbol("@") => Err(Fault::new(offset, "beans ('@') are out of reach of an expression")),
            Lexeme::Word(word) => self.word(offset, &word),
            other => {
                let expected =
                    "expected a value (payload, headers['name'], a text in quotes, a number or a #function)";
                Err(Fault::new(offset, format!("{expected}, got {}", other.shown())))
            }
        }
    }

    fn word(&mut self, offset: usize, word: &str) -> Parsed {
        let called = self.peek() == &Lexeme::Symbol("(");
        match word {
            "payload" if !called => self.node(offset, Kind::Payload),
            "headers" if !called => self.header(offset),
            "T" if called => {
                Err(Fault::new(offset, "Java types ('T(...)') are out of reach of an expression"))
            }
            "new" if !called => Err(Fault::new(offset, "an expression cannot make objects ('new')")),
            _ if called => self.call(offset, word, ""),
            _ => match word.to_ascii_lowercase().as_str() {
                "true" => self.node(offset, Kind::Bool(true)),
                "false" => self.node(offset, Kind::Bool(false)),
                "null" => self.node(offset, Kind::Null),
                _ => Err(Fault::new(offset, self.unknown_name(word))),
            },
        }
    }

    fn unknown_name(&self, name: &str) -> String {
        let before = self.at.checked_sub(2).map(|at| &self.tokens[at].kind);
        if before == Some(&Lexeme::Symbol("-")) {
            return format!(
                "unknown name '{name}': a name with '-' is written in brackets, as in payload['my-name']"
            );
        }
        let nearest = nearest(name, ["payload", "headers"]);
        let hint = nearest.map_or_else(
            || {
                format!(
                    "an expression knows 'payload' and 'headers', as in payload.{name}; texts stand in quotes"
                )
            },
            |meant| format!("did you mean '{meant}'?"),
        );
        format!("unknown name '{name}': {hint}")
    }

    /// What follows `headers`: it is a map whose entries can be read, and no value of its own.
    fn header(&mut self, offset: usize) -> Parsed {
        let name = if self.eat("[") {
            let name = self.expression()?;
            self.expect("]", "to close '['")?;
            name
        } else if self.eat(".") || self.eat("?.") {
            let name_at = self.offset();
            match self.next() {
                Lexeme::Word(name) if self.peek() != &Lexeme::Symbol("(") => {
                    self.node(name_at, Kind::Text(name))?
                }
                _ => {
                    return Err(Fault::new(
                        name_at,
                        "expected the name of a header, as in headers['my-name']",
                    ));
                }
            }
        } else {
            let message = "'headers' is not a value: name one of them, as in headers['grnry-correlation-id']";
            return Err(Fault::new(offset, message));
        };
        self.node(offset, Kind::Header(Box::new(name)))
    }

    /// A call whose opening bracket is the next token.
    fn call(&mut self, offset: usize, name: &str, sign: &str) -> Parsed {
        let Some(function) = Function::of(name) else {
            let message = format!(
                "unknown function '{sign}{name}'{}",
                meant(name, Function::names(), sign, ", known are: ")
            );
            return Err(Fault::new(offset, message));
        };
        self.at += 1;
        let arguments = self.arguments()?;
        if arguments.len() != function.parameters().len() {
            let message = format!("'{sign}{name}' takes {}, got {}", function.wanted(), arguments.len());
            return Err(Fault::new(offset, message));
        }
        let prepared = prepare(function, &arguments)?;
        self.node(offset, Kind::Call { function, arguments, prepared })
    }

    /// What follows `(`, with the closing bracket.
    fn arguments(&mut self) -> Result<Vec<Node>, Fault> {
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.eat(",") {
                self.expect(")", "or ',' behind an argument")?;
                return Ok(arguments);
            }
        }
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(self.fault(format!("the expression is nested deeper than {NESTING_MAX} levels")));
        }
        let node = parse(self);
        self.nesting -= 1;
        node
    }

    fn node(&self, offset: usize, kind: Kind) -> Parsed {
        let node = Node::new(offset, kind);
        if node.depth > DEPTH_MAX {
            let message =
                format!("the expression has more than {DEPTH_MAX} levels of operators and properties");
            return Err(Fault::new(offset, message));
        }
        Ok(node)
    }

    fn peek(&self) -> &Lexeme {
        &self.tokens[self.at].kind
    }

    fn offset(&self) -> usize {
        self.tokens[self.at].offset
    }

    /// The next token; the end is never passed.
    fn next(&mut self) -> Lexeme {
        let lexeme = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        lexeme
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Lexeme::Symbol(found) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Lexeme::Word(found) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str, what_for: &str) -> Result<(), Fault> {
        if self.eat(symbol) {
            return Ok(());
        }
        Err(self.fault(format!("expected '{symbol}' {what_for}, got {}", self.peek().shown())))
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.offset(), message)
    }
}

/// Reads the path or pattern of a call where it is written out, so that its mistakes are found now.
fn prepare(function: Function, arguments: &[Node]) -> Result<Prepared, Fault> {
    let Some(Node { kind: Kind::Text(text), offset, .. }) = arguments.last() else {
        return Ok(Prepared::Nothing);
    };
    let prepared = match function {
        Function::JsonPath | Function::SafeJsonPath => Path::parse(text).map(Prepared::Path),
        Function::DateTimeIsoFormatterUtc => Pattern::parse(text).map(Prepared::Pattern),
        _ => Ok(Prepared::Nothing),
    };
    prepared.map_err(|message| Fault::new(*offset, message))
}

fn meant(name: &str, known: impl Iterator<Item = &'static str> + Clone, sign: &str, list: &str) -> String {
    match nearest(name, known.clone()) {
        Some(meant) => format!(": did you mean '{sign}{meant}'?"),
        None => format!("{list}{}", known.map(|name| format!("{sign}{name}")).collect::<Vec<_>>().join(", ")),
    }
}
