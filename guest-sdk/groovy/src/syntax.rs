//! The syntax tree. The parser builds it, the scope pass fills in where names lie, the machine walks it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::class::{Builtin, Class};
use crate::diagnostic::Position;
use crate::names::Method;
use crate::value::Value;

/// A method name as it was written, and its id.
#[derive(Debug, Clone)]
pub(crate) struct MethodName {
    pub(crate) text: Rc<str>,
    /// [`Method::Other`] where only the script itself can know the name.
    pub(crate) id: Method,
}

impl MethodName {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), id: Method::named(text) }
    }
}

/// A type as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Type {
    pub(crate) name: Rc<str>,
    pub(crate) at: Position,
    /// How many pairs of brackets follow the name.
    pub(crate) dimensions: u8,
    /// Whether it is one of the types that cannot be null.
    pub(crate) primitive: bool,
    /// Filled in by the scope pass.
    pub(crate) class: Option<Class>,
}

/// An expression.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    pub(crate) at: Position,
}

/// A piece of a text with expressions inside.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(Rc<str>),
    Code(Expr),
}

/// What follows the dot of a property.
#[derive(Debug)]
pub(crate) enum PropertyName {
    Known(Rc<str>),
    Computed(Box<Expr>),
}

/// How a member is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// `.`
    Plain,
    /// `?.`
    Safe,
    /// `*.`
    Spread,
}

/// An item of a map literal or a named argument.
#[derive(Debug)]
pub(crate) enum MapItem {
    Entry(Expr, Expr),
    /// `*: map`
    Spread(Expr),
}

/// Operators between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    ShiftLeft,
    ShiftRight,
    ShiftRightUnsigned,
    And,
    Or,
    Xor,
    Equal,
    NotEqual,
    Identical,
    NotIdentical,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Compare,
    Find,
    Match,
    In,
    NotIn,
}

/// Operators before one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Minus,
    Plus,
    BitNot,
}

/// What is called.
#[derive(Debug)]
pub(crate) enum Callee {
    /// `name(..)`, where the scope pass did not find a variable of that name.
    Name(MethodName),
    /// The functions of the script with that name.
    Functions(Rc<str>),
    /// `receiver.name(..)`
    Method { receiver: Box<Expr>, name: MethodName, access: Access },
    /// `receiver."$name"(..)`
    Computed { receiver: Box<Expr>, name: Box<Expr>, access: Access },
    /// `value(..)`
    Value(Box<Expr>),
    /// `super.name(..)`
    Super(MethodName),
    /// `this(..)` and `super(..)` in a constructor.
    Constructor { parent: bool },
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) callee: Callee,
    pub(crate) arguments: Arguments,
}

/// Arguments of a call: named ones are one map in front.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) named: Vec<MapItem>,
    pub(crate) values: Vec<Expr>,
    /// Whether one of the values is a spread list.
    pub(crate) spread: bool,
}

/// What an expression is.
#[derive(Debug)]
pub(crate) enum Kind {
    Constant(Value),
    Text(Vec<Piece>),
    List(Vec<Expr>),
    Map(Vec<MapItem>),
    Range {
        from: Box<Expr>,
        to: Box<Expr>,
        open_left: bool,
        open_right: bool,
    },
    /// A name before the scope pass.
    Name(Rc<str>),
    /// A variable of the function.
    Local(u32),
    /// A variable of the script's binding; the number is its place.
    Global(u32, Rc<str>),
    This,
    /// `delegate` in a closure.
    Delegate,
    /// `owner` in a closure.
    Owner,
    Class(Class),
    Property {
        object: Box<Expr>,
        name: PropertyName,
        access: Access,
    },
    Index {
        object: Box<Expr>,
        index: Vec<Expr>,
        safe: bool,
    },
    Call(Box<Call>),
    New {
        class: Type,
        arguments: Arguments,
    },
    /// `new int[3]`, `new int[]{1, 2}`
    NewArray {
        class: Type,
        lengths: Vec<Expr>,
        items: Option<Vec<Expr>>,
    },
    Closure(Rc<Function>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    Elvis(Box<Expr>, Box<Expr>),
    Assign(Box<Expr>, Box<Expr>),
    /// `target op= value`
    Update(Binary, Box<Expr>, Box<Expr>),
    /// `target ?= value`
    ElvisAssign(Box<Expr>, Box<Expr>),
    /// `(a, b) = list`
    MultiAssign(Vec<Expr>, Box<Expr>),
    Step {
        target: Box<Expr>,
        up: bool,
        prefix: bool,
    },
    Cast {
        class: Type,
        value: Box<Expr>,
        strict: bool,
    },
    InstanceOf {
        value: Box<Expr>,
        class: Type,
        negated: bool,
    },
    /// `*list` among items and arguments.
    Spread(Box<Expr>),
    /// `receiver.&name`
    MethodReference {
        receiver: Box<Expr>,
        name: MethodName,
    },
}

/// A variable that a declaration introduces.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: Rc<str>,
    pub(crate) at: Position,
    pub(crate) class: Option<Type>,
    pub(crate) slot: u32,
}

/// A `case`, or `default` without values.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) values: Vec<Expr>,
    pub(crate) body: Vec<Statement>,
    /// Whether it ends by itself, as those with an arrow do.
    pub(crate) arrow: bool,
}

/// A switch.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) value: Expr,
    pub(crate) cases: Vec<Case>,
}

/// A `catch`.
#[derive(Debug)]
pub(crate) struct Catch {
    pub(crate) classes: Vec<Type>,
    pub(crate) variable: Declared,
    pub(crate) body: Vec<Statement>,
}

/// A statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) at: Position,
}

/// What a statement is.
#[derive(Debug)]
pub(crate) enum StatementKind {
    Expr(Expr),
    Return(Option<Expr>),
    Declare(Declared, Option<Expr>),
    /// `def (a, b) = list`
    DeclareMany(Vec<Declared>, Expr),
    /// The arms in their order, and what else.
    If(Vec<(Expr, Vec<Statement>)>, Vec<Statement>),
    While {
        label: Option<Rc<str>>,
        condition: Expr,
        body: Vec<Statement>,
        first: bool,
    },
    For {
        label: Option<Rc<str>>,
        variable: Declared,
        index: Option<Declared>,
        items: Expr,
        body: Vec<Statement>,
    },
    Loop {
        label: Option<Rc<str>>,
        start: Vec<Statement>,
        condition: Option<Expr>,
        step: Vec<Expr>,
        body: Vec<Statement>,
    },
    Switch(Box<Switch>),
    Try {
        body: Vec<Statement>,
        catches: Vec<Catch>,
        finally: Option<Vec<Statement>>,
    },
    Throw(Expr),
    Assert {
        condition: Expr,
        message: Option<Expr>,
        text: Rc<str>,
    },
    Break(Option<Rc<str>>),
    Continue(Option<Rc<str>>),
    Block(Vec<Statement>),
    Nothing,
}

/// A parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) variable: Declared,
    pub(crate) default: Option<Expr>,
}

/// Code with parameters: a method, a constructor, a closure or the script itself.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: Rc<str>,
    pub(crate) at: Position,
    pub(crate) parameters: Vec<Parameter>,
    /// Whether the last parameter takes all that is left.
    pub(crate) variadic: bool,
    pub(crate) body: Vec<Statement>,
    pub(crate) is_static: bool,
    pub(crate) is_abstract: bool,
    /// The type of the answer, which it is cast to.
    pub(crate) answer: Option<Type>,
    /// Which slots of the surrounding function a closure takes along, and into which of its own.
    pub(crate) captures: Vec<(u32, u32)>,
    /// Slots in all; the first ones are the parameters.
    pub(crate) slots: u32,
    /// Slots that closures share and somebody assigns to.
    pub(crate) shared: Vec<bool>,
    /// Types that values are converted to when they are assigned to a slot.
    pub(crate) types: Vec<Option<Type>>,
}

impl Function {
    /// How many arguments it needs at least.
    pub(crate) fn required(&self) -> usize {
        let all = self.parameters.len() - usize::from(self.variadic);
        all - self.parameters.iter().filter(|parameter| parameter.default.is_some()).count().min(all)
    }

    /// Whether that many arguments can be given.
    pub(crate) fn takes(&self, count: usize) -> bool {
        count >= self.required() && (self.variadic || count <= self.parameters.len())
    }
}

/// A property or field of a class.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Rc<str>,
    pub(crate) class: Option<Type>,
    /// Computes the first value.
    pub(crate) initial: Option<Rc<Function>>,
    pub(crate) is_static: bool,
    /// Whether it is part of the JSON of an object: properties are, private fields are not.
    pub(crate) is_property: bool,
    pub(crate) is_final: bool,
}

/// A constant of an enum.
#[derive(Debug)]
pub(crate) struct EnumConstant {
    pub(crate) name: Rc<str>,
    pub(crate) arguments: Rc<Function>,
}

/// What a class definition says.
#[derive(Debug, Default)]
pub(crate) struct ClassBody {
    pub(crate) parent: Option<Type>,
    pub(crate) interfaces: Vec<Type>,
    pub(crate) fields: Vec<Field>,
    pub(crate) methods: Vec<Rc<Function>>,
    pub(crate) constructors: Vec<Rc<Function>>,
    pub(crate) constants: Vec<EnumConstant>,
    pub(crate) annotations: Vec<(Rc<str>, Vec<Rc<str>>)>,
}

/// A class that the script defines.
#[derive(Debug)]
pub(crate) struct ClassDef {
    pub(crate) name: Rc<str>,
    pub(crate) at: Position,
    /// Its place among the classes of the script.
    pub(crate) index: usize,
    pub(crate) is_enum: bool,
    pub(crate) is_interface: bool,
    pub(crate) is_abstract: bool,
    /// Filled in when all classes are known, since they may name each other.
    pub(crate) body: RefCell<ClassBody>,
}

/// Classes above each other are at most this many.
const ANCESTORS_MAX: usize = 64;

impl ClassDef {
    /// The class above.
    pub(crate) fn parent(&self) -> Option<Class> {
        self.body.borrow().parent.as_ref().and_then(|parent| parent.class.clone())
    }

    /// The script's classes from this one upwards, followed by the interfaces of each.
    pub(crate) fn lineage(self: &Rc<Self>) -> Vec<Rc<Self>> {
        let mut all = vec![Rc::clone(self)];
        let mut at = 0;
        while let Some(class) = all.get(at).cloned() {
            let body = class.body.borrow();
            for above in body.parent.iter().chain(&body.interfaces) {
                if let Some(Class::Script(above)) = &above.class {
                    if !all.iter().any(|known| Rc::ptr_eq(known, above)) && all.len() < ANCESTORS_MAX {
                        all.push(Rc::clone(above));
                    }
                }
            }
            at += 1;
        }
        all
    }

    /// The first class above that the script does not define.
    pub(crate) fn builtin_parent(&self) -> Builtin {
        let mut parent = self.parent();
        for _ in 0..ANCESTORS_MAX {
            match parent {
                None => break,
                Some(Class::Builtin(class)) => return class,
                Some(Class::Script(class)) => parent = class.parent(),
            }
        }
        if self.is_enum { Builtin::Enum } else { Builtin::Object }
    }

    /// Whether it is that class or one below it.
    pub(crate) fn is(self: &Rc<Self>, above: &Class) -> bool {
        match above {
            Class::Builtin(Builtin::Object) => true,
            Class::Builtin(Builtin::Enum) if self.is_enum => true,
            Class::Script(above) => self.lineage().iter().any(|class| Rc::ptr_eq(class, above)),
            Class::Builtin(above) => self.lineage().iter().any(|class| {
                let body = class.body.borrow();
                let mut parents = body.parent.iter().chain(&body.interfaces);
                parents.any(|parent| matches!(&parent.class, Some(Class::Builtin(class)) if class.is(*above)))
            }),
        }
    }
}

/// An import.
#[derive(Debug)]
pub(crate) struct Import {
    /// The name with its package, without a star at the end.
    pub(crate) path: Rc<str>,
    pub(crate) alias: Option<Rc<str>>,
    pub(crate) is_static: bool,
    pub(crate) star: bool,
}

/// A whole script.
#[derive(Debug)]
pub(crate) struct Program {
    /// The statements outside of methods and classes.
    pub(crate) main: Rc<Function>,
    /// The methods of the script.
    pub(crate) functions: Vec<Rc<Function>>,
    pub(crate) classes: Vec<Rc<ClassDef>>,
    pub(crate) imports: Vec<Import>,
    /// Names of the binding's variables, by their places.
    pub(crate) globals: Vec<Rc<str>>,
}
