//! A parsed expression.

use serde_json::Number;

use crate::date::Pattern;
use crate::functions::{Function, Method};
use crate::path::Path;

/// A parsed expression; cheap to evaluate again and again, from any thread.
#[derive(Debug, Clone)]
pub struct Expression {
    pub(crate) text: String,
    pub(crate) root: Node,
}

impl Expression {
    /// The text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the payload is asked for at all; expressions of literals, headers and functions alone do without.
    #[must_use]
    pub fn reads_payload(&self) -> bool {
        self.root.reads_payload()
    }
}

/// A part of an expression.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Byte offset in the text that an error at this node names.
    pub(crate) offset: usize,
    /// Levels of nodes, this one included. Bounded by the parser, so evaluating and dropping may recurse.
    pub(crate) depth: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Payload,
    /// A header by its name.
    Header(Box<Node>),
    Property {
        target: Box<Node>,
        name: String,
        safe: bool,
    },
    Index {
        target: Box<Node>,
        key: Box<Node>,
        safe: bool,
    },
    Method {
        target: Box<Node>,
        method: Method,
        arguments: Vec<Node>,
        safe: bool,
    },
    Call {
        function: Function,
        arguments: Vec<Node>,
        prepared: Prepared,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    Elvis {
        value: Box<Node>,
        otherwise: Box<Node>,
    },
    Ternary {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
}

/// The last argument of a call, read when the expression is parsed, where it is a literal.
#[derive(Debug, Clone)]
pub(crate) enum Prepared {
    Nothing,
    Path(Path),
    Pattern(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// The operator of a symbol or word.
    pub(crate) fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "||" | "or" => Self::Or,
            "&&" | "and" => Self::And,
            "==" | "eq" => Self::Equal,
            "!=" | "ne" => Self::NotEqual,
            "<" | "lt" => Self::Less,
            ">" | "gt" => Self::Greater,
            "<=" | "le" => Self::LessOrEqual,
            ">=" | "ge" => Self::GreaterOrEqual,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" | "div" => Self::Divide,
            "%" | "mod" => Self::Remainder,
            _ => return None,
        })
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// How tightly it binds; a larger number binds more tightly.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::Greater
            | Self::LessOrEqual
            | Self::GreaterOrEqual => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Remainder => 5,
        }
    }
}

impl Node {
    pub(crate) fn new(offset: usize, kind: Kind) -> Self {
        let mut depth = 0;
        kind.each_child(|child| depth = depth.max(child.depth));
        Self { offset, depth: depth + 1, kind }
    }

    fn reads_payload(&self) -> bool {
        let mut reads = matches!(self.kind, Kind::Payload);
        self.kind.each_child(|child| reads |= child.reads_payload());
        reads
    }
}

impl Kind {
    fn each_child(&self, mut see: impl FnMut(&Node)) {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Payload => {}
            Self::Header(child) | Self::Not(child) | Self::Negate(child) => see(child),
            Self::Property { target, .. } => see(target),
            Self::Index { target, key, .. } => {
                see(target);
                see(key);
            }
            Self::Method { target, arguments, .. } => {
                see(target);
                arguments.iter().for_each(see);
            }
            Self::Call { arguments, .. } => arguments.iter().for_each(see),
            Self::Binary { left, right, .. } => {
                see(left);
                see(right);
            }
            Self::Elvis { value, otherwise } => {
                see(value);
                see(otherwise);
            }
            Self::Ternary { condition, then, otherwise } => {
                see(condition);
                see(then);
                see(otherwise);
            }
        }
    }
}
