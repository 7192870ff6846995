//! Finds out what each name means: a variable of a function, a member of a class, a class, or a variable of the binding.
//!
//! What can be known to be missing is refused here, before any record is run: classes that are not there, above all.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::class::{Builtin, Class};
use crate::diagnostic::{Position, Refusal};
use crate::names::{Method, nearest};
use crate::syntax::{
    Arguments, Call, Callee, Catch, ClassDef, Declared, Expr, Function, Import, Kind, MapItem, Piece,
    Program, PropertyName, Statement, StatementKind, Switch, Type,
};
use crate::token::{Part, Token, Word};

type Scoped<T = ()> = Result<T, Refusal>;

/// Variables of a function: each name is looked for among them.
const VARIABLES_MAX: usize = 2_000;

/// More warnings help nobody.
const WARNINGS_MAX: usize = 100;

/// Names of methods that are looked up for a warning.
const LOOKED_MAX: usize = 5_000;

/// Names that every script can call without a receiver.
pub(crate) const FREE_METHODS: &[&str] =
    &["println", "print", "printf", "sprintf", "evaluate", "sleep", "binding"];

/// Why some classes that people know are not there.
const ABSENT: &[(&[&str], &str)] = &[
    (
        &[
            "File",
            "FileReader",
            "FileWriter",
            "Files",
            "Path",
            "Paths",
            "FileInputStream",
            "FileOutputStream",
            "Scanner",
        ],
        "a script reaches no files; what it needs has to be in the script or in the record",
    ),
    (
        &[
            "URL",
            "URI",
            "HttpURLConnection",
            "HttpClient",
            "HttpRequest",
            "Socket",
            "RESTClient",
            "HTTPBuilder",
            "InetAddress",
        ],
        "a script reaches no network; enrich the stream in a belt instead",
    ),
    (
        &[
            "Thread",
            "Executors",
            "ExecutorService",
            "CompletableFuture",
            "Timer",
            "ThreadLocal",
            "ReentrantLock",
        ],
        "a script runs alone; call the code directly",
    ),
    (
        &["Runtime", "ProcessBuilder", "GroovyShell", "Eval", "GroovyClassLoader", "ClassLoader", "Unsafe"],
        "a script can neither start programs nor load code; write the code into the script",
    ),
    (
        &["Random", "SecureRandom", "ThreadLocalRandom"],
        "random numbers are not supported; use `UUID.randomUUID()` for a random id",
    ),
    (&["DateTime"], "use java.time, for example `ZonedDateTime.now()` or `Instant.ofEpochMilli(ms)`"),
    (
        &["XmlSlurper", "XmlParser", "MarkupBuilder", "YamlSlurper", "Yaml", "ConfigSlurper"],
        "of the data formats JSON is supported: `new JsonSlurper().parseText(text)`",
    ),
    (
        &["Sql", "DriverManager", "Connection", "KafkaProducer"],
        "a script reaches no databases and brokers; return the record and let a persister store it",
    ),
];

/// What the pass needs to know beside the tree.
pub(crate) struct Known {
    /// Names that the script assigns to.
    assigned: HashSet<Rc<str>>,
    /// Names that may be methods of values, since the script uses them as keys, properties or methods.
    members: HashSet<Rc<str>>,
    /// Whether values may answer to any name, as builders do.
    open: bool,
}

/// Gathers names from the tokens: one look at each, so that the order of definitions means nothing.
pub(crate) fn known(tokens: &[Token]) -> Known {
    let mut known = Known { assigned: HashSet::new(), members: HashSet::new(), open: false };
    gather(tokens, &mut known);
    known
}

fn gather(tokens: &[Token], known: &mut Known) {
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map(|token| &token.word);
        match &token.word {
            Word::Name(name) if matches!(&**name, "JsonBuilder" | "methodMissing") => known.open = true,
            Word::Name(name) => match next {
                Some(Word::Sign("=" | "?=")) => {
                    known.assigned.insert(Rc::clone(name));
                    known.members.insert(Rc::clone(name));
                }
                Some(Word::Sign(":" | ";" | "}") | Word::Newline) => {
                    known.members.insert(Rc::clone(name));
                }
                _ => {}
            },
            Word::Text(name) if matches!(next, Some(Word::Sign(":" | "]" | "," | ")" | "="))) => {
                known.members.insert(Rc::clone(name));
            }
            Word::Template(parts) => {
                for part in parts {
                    if let Part::Code(tokens) = part {
                        gather(tokens, known);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What closures do with a variable.
#[derive(Default)]
struct Use {
    captured: Cell<bool>,
    assigned: Cell<bool>,
}

struct Variable {
    name: Rc<str>,
    slot: u32,
    usage: Rc<Use>,
    class: Option<Type>,
}

/// A function whose body is being looked at.
struct Level {
    is_closure: bool,
    /// Variables by blocks, the innermost last.
    blocks: Vec<Vec<Variable>>,
    usages: Vec<Rc<Use>>,
    types: Vec<Option<Type>>,
    captures: Vec<(u32, u32)>,
}

struct Pass<'a> {
    known: &'a Known,
    imports: &'a [Import],
    classes: Vec<Rc<ClassDef>>,
    functions: HashSet<Rc<str>>,
    levels: Vec<Level>,
    class: Option<Rc<ClassDef>>,
    globals: Vec<Rc<str>>,
    places: HashMap<Rc<str>, u32>,
    warnings: Vec<Refusal>,
    /// Names of methods that were looked up for a warning.
    looked: usize,
}

/// Resolves all names of a script; what is doubtful only is warned of.
pub(crate) fn resolve(program: &mut Program, known: &Known) -> Scoped<Vec<Refusal>> {
    let imports = std::mem::take(&mut program.imports);
    let mut pass = Pass {
        known,
        imports: &imports,
        classes: program.classes.clone(),
        functions: program.functions.iter().map(|function| Rc::clone(&function.name)).collect(),
        levels: Vec::new(),
        class: None,
        globals: Vec::new(),
        places: HashMap::new(),
        warnings: Vec::new(),
        looked: 0,
    };
    for name in ["payload", "headers"] {
        pass.global(&name.into());
    }
    // Parents first: what a class inherits has to be known in its methods.
    for class in program.classes.clone() {
        pass.heritage(&class)?;
    }
    for class in program.classes.clone() {
        pass.class_body(&class)?;
    }
    for function in program.functions.iter_mut().chain([&mut program.main]) {
        pass.function(function, false)?;
    }
    program.globals = pass.globals;
    Ok(pass.warnings)
}

fn refuse<T>(at: Position, message: impl Into<String>) -> Scoped<T> {
    Err(Refusal { at, message: message.into() })
}

/// Whether values change when they are assigned to a variable of the type.
fn converts(class: &Type) -> bool {
    matches!(
        class.class,
        Some(Class::Builtin(class)) if class.is(Builtin::Number) || matches!(class, Builtin::String | Builtin::Boolean | Builtin::Character)
    )
}

fn is_type_like(name: &str) -> bool {
    name.starts_with(|first: char| first.is_uppercase()) && name.chars().any(char::is_lowercase)
}

impl Pass<'_> {
    fn heritage(&mut self, class: &Rc<ClassDef>) -> Scoped {
        let mut body = class.body.take();
        for interface in &mut body.interfaces {
            // Interfaces of libraries promise methods and bring none, so they need not be known.
            interface.class = self.class_of(&interface.name);
        }
        if let Some(parent) = &mut body.parent {
            self.resolve_type(parent)?;
            if let Some(Class::Builtin(above)) = parent.class {
                if !above.is(Builtin::Throwable) && above != Builtin::Object {
                    return refuse(
                        parent.at,
                        format!(
                            "a class below `{}` is not supported; extend classes of the script, or exceptions",
                            parent.name
                        ),
                    );
                }
            }
        }
        *class.body.borrow_mut() = body;
        if class.parent().is_some_and(|parent| parent.is(&Class::Script(Rc::clone(class)))) {
            return refuse(
                class.at,
                format!("the class `{}` is above itself; remove one `extends`", class.name),
            );
        }
        Ok(())
    }

    fn class_body(&mut self, class: &Rc<ClassDef>) -> Scoped {
        self.class = Some(Rc::clone(class));
        // The definition is looked at while its parts are changed, so these are taken out one after the other.
        let count = class.body.borrow().fields.len();
        for index in 0..count {
            let (kind, initial) = match class.body.borrow_mut().fields.get_mut(index) {
                Some(field) => (field.class.take(), field.initial.take()),
                None => continue,
            };
            let (mut kind, mut initial) = (kind, initial);
            if let Some(kind) = &mut kind {
                self.resolve_type(kind)?;
            }
            if let Some(initial) = &mut initial {
                self.function(initial, false)?;
            }
            if let Some(field) = class.body.borrow_mut().fields.get_mut(index) {
                (field.class, field.initial) = (kind, initial);
            }
        }
        let mut constants = std::mem::take(&mut class.body.borrow_mut().constants);
        // Their names are fields already while their arguments are looked at.
        for constant in &mut constants {
            self.own_class(&mut constant.arguments, class);
            self.function(&mut constant.arguments, false)?;
        }
        class.body.borrow_mut().constants = constants;
        for part in [true, false] {
            let count =
                if part { class.body.borrow().methods.len() } else { class.body.borrow().constructors.len() };
            for index in 0..count {
                let mut function = {
                    let body = class.body.borrow();
                    let list = if part { &body.methods } else { &body.constructors };
                    match list.get(index) {
                        Some(function) => Rc::clone(function),
                        None => continue,
                    }
                };
                // A stand-in keeps name and parameters in sight, which is all that others look at.
                let stand_in = Rc::new(signature(&function));
                let replaced = {
                    let mut body = class.body.borrow_mut();
                    let list = if part { &mut body.methods } else { &mut body.constructors };
                    list.get_mut(index).map(|place| std::mem::replace(place, stand_in))
                };
                drop(replaced);
                self.function(&mut function, false)?;
                let mut body = class.body.borrow_mut();
                let list = if part { &mut body.methods } else { &mut body.constructors };
                if let Some(place) = list.get_mut(index) {
                    *place = function;
                }
            }
        }
        self.class = None;
        Ok(())
    }

    /// The constants of an enum are made without naming its class.
    fn own_class(&self, arguments: &mut Rc<Function>, class: &Rc<ClassDef>) {
        let Some(function) = Rc::get_mut(arguments) else { return };
        for statement in &mut function.body {
            if let StatementKind::Return(Some(Expr { kind: Kind::New { class: of, .. }, .. })) =
                &mut statement.kind
            {
                of.class = Some(Class::Script(Rc::clone(class)));
            }
        }
    }

    fn function(&mut self, function: &mut Rc<Function>, is_closure: bool) -> Scoped {
        let Some(function) = Rc::get_mut(function) else { return Ok(()) };
        self.levels.push(Level {
            is_closure,
            blocks: vec![Vec::new()],
            usages: Vec::new(),
            types: Vec::new(),
            captures: Vec::new(),
        });
        for parameter in &mut function.parameters {
            if let Some(default) = &mut parameter.default {
                self.expr(default)?;
            }
            self.declare(&mut parameter.variable)?;
        }
        if let Some(answer) = &mut function.answer {
            self.resolve_type(answer)?;
        }
        self.statements(&mut function.body)?;
        if let Some(level) = self.levels.pop() {
            function.captures = level.captures;
            function.types = level.types;
            function.slots = u32::try_from(level.usages.len()).unwrap_or(u32::MAX);
            let own = |slot: usize| !function.captures.iter().any(|(_, inner)| *inner as usize == slot);
            function.shared = level
                .usages
                .iter()
                .enumerate()
                .map(|(slot, usage)| usage.captured.get() && usage.assigned.get() && own(slot))
                .collect();
        }
        Ok(())
    }

    fn declare(&mut self, declared: &mut Declared) -> Scoped {
        if let Some(class) = &mut declared.class {
            self.resolve_type(class)?;
        }
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let Some(block) = level.blocks.last_mut() else { return Ok(()) };
        if level.usages.len() >= VARIABLES_MAX {
            return refuse(
                declared.at,
                format!("a function has more than {VARIABLES_MAX} variables; put some of them into a map"),
            );
        }
        if block.iter().any(|variable| variable.name == declared.name) {
            return refuse(
                declared.at,
                format!(
                    "the variable `{0}` is declared twice; write `{0} = ..` to assign to it",
                    declared.name
                ),
            );
        }
        let slot = u32::try_from(level.usages.len()).unwrap_or(u32::MAX);
        let usage = Rc::<Use>::default();
        level.usages.push(Rc::clone(&usage));
        // Only these change what is assigned.
        let class = declared.class.clone().filter(|class| class.dimensions == 0 && converts(class));
        level.types.push(class.clone());
        block.push(Variable { name: Rc::clone(&declared.name), slot, usage, class });
        declared.slot = slot;
        Ok(())
    }

    /// The slot of a variable in the innermost function, which captures it where needed.
    fn find(&mut self, name: &str) -> Option<(u32, Rc<Use>)> {
        let mut index = self.levels.len();
        let found = loop {
            index = index.checked_sub(1)?;
            let level = self.levels.get(index)?;
            let variable = level.blocks.iter().rev().flat_map(|block| block.iter().rev());
            if let Some(variable) = variable.into_iter().find(|variable| *variable.name == *name) {
                break (variable.slot, Rc::clone(&variable.usage), variable.class.clone());
            }
            if !level.is_closure {
                return None;
            }
        };
        let (mut slot, usage, class) = found;
        for level in self.levels.iter_mut().skip(index + 1) {
            usage.captured.set(true);
            let inner = u32::try_from(level.usages.len()).unwrap_or(u32::MAX);
            level.usages.push(Rc::clone(&usage));
            level.types.push(class.clone());
            level.captures.push((slot, inner));
            // The outermost block of the function knows it from now on.
            if let Some(block) = level.blocks.first_mut() {
                let (usage, class) = (Rc::clone(&usage), class.clone());
                block.insert(0, Variable { name: name.into(), slot: inner, usage, class });
            }
            slot = inner;
        }
        Some((slot, usage))
    }

    fn global(&mut self, name: &Rc<str>) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = u32::try_from(self.globals.len()).unwrap_or(u32::MAX);
        self.globals.push(Rc::clone(name));
        self.places.insert(Rc::clone(name), place);
        place
    }

    fn block(&mut self, statements: &mut [Statement]) -> Scoped {
        self.within(|pass| pass.statements(statements))
    }

    fn within(&mut self, inside: impl FnOnce(&mut Self) -> Scoped) -> Scoped {
        if let Some(level) = self.levels.last_mut() {
            level.blocks.push(Vec::new());
        }
        inside(self)?;
        if let Some(level) = self.levels.last_mut() {
            level.blocks.pop();
        }
        Ok(())
    }

    fn statements(&mut self, statements: &mut [Statement]) -> Scoped {
        statements.iter_mut().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &mut Statement) -> Scoped {
        match &mut statement.kind {
            StatementKind::Expr(expr) | StatementKind::Return(Some(expr)) | StatementKind::Throw(expr) => {
                self.expr(expr)
            }
            StatementKind::Declare(declared, value) => {
                if let Some(value) = value {
                    self.expr(value)?;
                }
                self.declare(declared)
            }
            StatementKind::DeclareMany(variables, value) => {
                self.expr(value)?;
                variables.iter_mut().try_for_each(|declared| self.declare(declared))
            }
            StatementKind::If(arms, other) => {
                for (condition, body) in arms {
                    self.expr(condition)?;
                    self.block(body)?;
                }
                self.block(other)
            }
            StatementKind::While { condition, body, .. } => {
                self.expr(condition)?;
                self.block(body)
            }
            StatementKind::For { variable, index, items, body, .. } => {
                self.expr(items)?;
                self.within(|pass| {
                    pass.declare(variable)?;
                    if let Some(index) = index {
                        pass.declare(index)?;
                    }
                    pass.block(body)
                })
            }
            StatementKind::Loop { start, condition, step, body, .. } => self.within(|pass| {
                pass.statements(start)?;
                if let Some(condition) = condition {
                    pass.expr(condition)?;
                }
                step.iter_mut().try_for_each(|step| pass.expr(step))?;
                pass.block(body)
            }),
            StatementKind::Switch(switch) => self.switch(switch),
            StatementKind::Try { body, catches, finally } => {
                self.block(body)?;
                for Catch { classes, variable, body } in catches {
                    for class in classes {
                        self.resolve_type(class)?;
                    }
                    self.within(|pass| {
                        pass.declare(variable)?;
                        pass.block(body)
                    })?;
                }
                finally.as_mut().map_or(Ok(()), |finally| self.block(finally))
            }
            StatementKind::Assert { condition, message, .. } => {
                self.expr(condition)?;
                message.as_mut().map_or(Ok(()), |message| self.expr(message))
            }
            StatementKind::Block(body) => self.block(body),
            StatementKind::Return(None)
            | StatementKind::Break(_)
            | StatementKind::Continue(_)
            | StatementKind::Nothing => Ok(()),
        }
    }

    fn switch(&mut self, switch: &mut Switch) -> Scoped {
        self.expr(&mut switch.value)?;
        self.within(|pass| {
            for case in &mut switch.cases {
                for value in &mut case.values {
                    pass.expr(value)?;
                }
                if case.arrow { pass.block(&mut case.body) } else { pass.statements(&mut case.body) }?;
            }
            Ok(())
        })
    }

    fn exprs(&mut self, exprs: &mut [Expr]) -> Scoped {
        exprs.iter_mut().try_for_each(|expr| self.expr(expr))
    }

    fn items(&mut self, items: &mut [MapItem]) -> Scoped {
        for item in items {
            match item {
                MapItem::Entry(key, value) => {
                    self.expr(key)?;
                    self.expr(value)?;
                }
                MapItem::Spread(map) => self.expr(map)?,
            }
        }
        Ok(())
    }

    fn arguments(&mut self, arguments: &mut Arguments) -> Scoped {
        self.items(&mut arguments.named)?;
        self.exprs(&mut arguments.values)
    }

    fn expr(&mut self, expr: &mut Expr) -> Scoped {
        let at = expr.at;
        match &mut expr.kind {
            Kind::Name(name) => {
                let name = Rc::clone(name);
                expr.kind = self.name(&name, at)?;
                Ok(())
            }
            Kind::Property { .. } => self.property(expr),
            Kind::Constant(_)
            | Kind::Local(_)
            | Kind::Global(..)
            | Kind::This
            | Kind::Delegate
            | Kind::Owner
            | Kind::Class(_) => Ok(()),
            Kind::Text(pieces) => pieces.iter_mut().try_for_each(|piece| match piece {
                Piece::Text(_) => Ok(()),
                Piece::Code(code) => self.expr(code),
            }),
            Kind::List(items) => self.exprs(items),
            Kind::Map(items) => self.items(items),
            Kind::Range { from, to, .. } => {
                self.expr(from)?;
                self.expr(to)
            }
            Kind::Index { object, index, .. } => {
                self.receiver(object)?;
                self.exprs(index)
            }
            Kind::Call(call) => self.call(call, at),
            Kind::New { class, arguments } => {
                if class.class.is_none() {
                    self.resolve_type(class)?;
                }
                self.arguments(arguments)
            }
            Kind::NewArray { class, lengths, items } => {
                self.resolve_type(class)?;
                self.exprs(lengths)?;
                items.as_mut().map_or(Ok(()), |items| self.exprs(items))
            }
            Kind::Closure(function) => self.function(function, true),
            Kind::Unary(_, operand) | Kind::Spread(operand) => self.expr(operand),
            Kind::Binary(_, left, right)
            | Kind::And(left, right)
            | Kind::Or(left, right)
            | Kind::Elvis(left, right) => {
                self.expr(left)?;
                self.expr(right)
            }
            Kind::Ternary(condition, then, other) => {
                self.expr(condition)?;
                self.expr(then)?;
                self.expr(other)
            }
            Kind::Assign(target, value)
            | Kind::Update(_, target, value)
            | Kind::ElvisAssign(target, value) => {
                self.expr(value)?;
                self.target(target)
            }
            Kind::MultiAssign(targets, value) => {
                self.expr(value)?;
                targets.iter_mut().try_for_each(|target| self.target(target))
            }
            Kind::Step { target, .. } => self.target(target),
            Kind::Cast { class, value, .. } | Kind::InstanceOf { class, value, .. } => {
                self.resolve_type(class)?;
                self.expr(value)
            }
            Kind::MethodReference { receiver, .. } => self.receiver(receiver),
        }
    }

    /// What is assigned to.
    fn target(&mut self, target: &mut Expr) -> Scoped {
        if let Kind::Name(name) = &target.kind {
            let name = Rc::clone(name);
            if let Some((slot, usage)) = self.find(&name) {
                usage.assigned.set(true);
                target.kind = Kind::Local(slot);
                return Ok(());
            }
            target.kind = match self.member(&name) {
                Some(kind) => kind,
                None => Kind::Global(self.global(&name), name),
            };
            return Ok(());
        }
        self.expr(target)
    }

    /// A field or a property with a getter of the class around.
    fn member(&self, name: &Rc<str>) -> Option<Kind> {
        let class = self.class.as_ref()?;
        let getter = |prefix: &str| {
            let mut chars = name.chars();
            let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
            format!("{prefix}{first}{}", chars.as_str())
        };
        let getters = [getter("get"), getter("is")];
        let is_member = class.lineage().iter().any(|class| {
            let body = class.body.borrow();
            body.fields.iter().any(|field| field.name == *name)
                || body.constants.iter().any(|constant| constant.name == *name)
                || body.methods.iter().any(|method| {
                    method.parameters.is_empty() && getters.iter().any(|getter| **getter == *method.name)
                })
        });
        // What every exception has.
        let of_exception = class.builtin_parent().is(Builtin::Throwable)
            && matches!(&**name, "message" | "cause" | "stackTrace");
        (is_member || of_exception).then(|| {
            let object = Box::new(Expr { kind: Kind::This, at: Position::default() });
            let access = crate::syntax::Access::Plain;
            Kind::Property { object, name: PropertyName::Known(Rc::clone(name)), access }
        })
    }

    fn name(&mut self, name: &Rc<str>, at: Position) -> Scoped<Kind> {
        if let Some((slot, _)) = self.find(name) {
            return Ok(Kind::Local(slot));
        }
        let in_closure = self.levels.last().is_some_and(|level| level.is_closure);
        match &**name {
            "delegate" if in_closure => return Ok(Kind::Delegate),
            "owner" if in_closure => return Ok(Kind::Owner),
            "thisObject" if in_closure => return Ok(Kind::This),
            _ => {}
        }
        if let Some(member) = self.member(name) {
            return Ok(member);
        }
        if !self.known.assigned.contains(name) || self.classes.iter().any(|class| class.name == *name) {
            if let Some(class) = self.class_of(name) {
                return Ok(Kind::Class(class));
            }
            if let Some(constant) = self.static_import(name) {
                let object = Box::new(Expr { kind: Kind::Class(constant), at });
                let (name, access) = (PropertyName::Known(Rc::clone(name)), crate::syntax::Access::Plain);
                return Ok(Kind::Property { object, name, access });
            }
        }
        Ok(Kind::Global(self.global(name), Rc::clone(name)))
    }

    /// The class that a static import takes a name from.
    fn static_import(&self, name: &str) -> Option<Class> {
        self.imports.iter().filter(|import| import.is_static).find_map(|import| {
            if import.star {
                let class = Builtin::named(&import.path)?;
                return crate::library::statics::has(class, name).then_some(Class::Builtin(class));
            }
            let (class, member) = import.path.rsplit_once('.')?;
            let known_as = import.alias.as_deref().unwrap_or(member);
            (known_as == name).then(|| Builtin::named(class)).flatten().map(Class::Builtin)
        })
    }

    /// The class of that name.
    fn class_of(&self, name: &str) -> Option<Class> {
        let last = name.rsplit('.').next().unwrap_or(name);
        let own = self.classes.iter().find(|class| *class.name == *name).or_else(|| {
            // `Outer.Inner`
            let (outer, inner) = name.rsplit_once('.')?;
            self.classes.iter().find(|class| *class.name == *outer)?;
            self.classes.iter().find(|class| *class.name == *inner)
        });
        if let Some(class) = own {
            return Some(Class::Script(Rc::clone(class)));
        }
        let import = self.imports.iter().filter(|import| !import.is_static && !import.star).find(|import| {
            let imported = import.path.rsplit('.').next().unwrap_or(&import.path);
            import.alias.as_deref().unwrap_or(imported) == name
        });
        if let Some(import) = import {
            return Builtin::named(&import.path).map(Class::Builtin);
        }
        // A lower-case word is no class, however primitive types are called.
        let is_name = last.starts_with(|first: char| first.is_uppercase()) || !name.contains('.');
        Builtin::named(name).filter(|_| is_name).map(Class::Builtin)
    }

    fn resolve_type(&mut self, class: &mut Type) -> Scoped {
        // Type variables are single capitals by custom.
        let is_variable = class.name.len() == 1;
        class.class = match self.class_of(&class.name) {
            Some(found) => Some(found),
            None if is_variable => Some(Class::Builtin(Builtin::Object)),
            None => return self.unknown_class(&class.name, class.at),
        };
        Ok(())
    }

    fn unknown_class<T>(&self, name: &str, at: Position) -> Scoped<T> {
        let simple = name.rsplit('.').next().unwrap_or(name);
        if let Some((_, reason)) = ABSENT.iter().find(|(names, _)| names.contains(&simple)) {
            return refuse(at, format!("the class `{name}` is not available: {reason}"));
        }
        let own = self.classes.iter().map(|class| &*class.name);
        let near = nearest(simple, own.chain(Builtin::ALL.iter().map(|class| class.simple_name())));
        let hint = near.map_or_else(
            || "define it in the script, or write its work as code".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        refuse(at, format!("the class `{name}` is not available; {hint}"))
    }

    fn property(&mut self, expr: &mut Expr) -> Scoped {
        let at = expr.at;
        if let Some(path) = self.dotted(expr) {
            if let Some(class) = Builtin::named(&path).or_else(|| self.import_named(&path)) {
                expr.kind = Kind::Class(Class::Builtin(class));
                return Ok(());
            }
            let last = path.rsplit('.').next().unwrap_or(&path);
            let is_package = ["java.", "javax.", "groovy."].iter().any(|root| path.starts_with(root));
            if is_package && is_type_like(last) {
                return self.unknown_class(&path, at);
            }
        }
        let Kind::Property { object, name, .. } = &mut expr.kind else { return Ok(()) };
        self.receiver(object)?;
        match name {
            PropertyName::Known(name) => {
                // `Outer.Inner`
                let inner = match &object.kind {
                    Kind::Class(Class::Script(_)) => self.classes.iter().find(|class| class.name == *name),
                    _ => None,
                };
                if let Some(inner) = inner {
                    expr.kind = Kind::Class(Class::Script(Rc::clone(inner)));
                }
                Ok(())
            }
            PropertyName::Computed(name) => self.expr(name),
        }
    }

    fn import_named(&self, path: &str) -> Option<Builtin> {
        // `Map.Entry`
        (path == "Map.Entry").then_some(Builtin::Entry)
    }

    /// `a.b.C` as a text, when `a` is no variable.
    fn dotted(&mut self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            Kind::Name(name) => {
                let is_variable = self.find(name).is_some() || self.known.assigned.contains(name);
                (!is_variable && self.member(name).is_none()).then(|| name.to_string())
            }
            Kind::Property {
                object,
                name: PropertyName::Known(name),
                access: crate::syntax::Access::Plain,
            } => {
                let mut path = self.dotted(object)?;
                path.push('.');
                path.push_str(name);
                Some(path)
            }
            _ => None,
        }
    }

    /// What stands before a dot: a name there may be a class that is missing.
    fn receiver(&mut self, receiver: &mut Expr) -> Scoped {
        let name = match &receiver.kind {
            Kind::Name(name) => Some(Rc::clone(name)),
            _ => None,
        };
        self.expr(receiver)?;
        match (&receiver.kind, name) {
            (Kind::Global(..), Some(name)) if is_type_like(&name) && !self.known.assigned.contains(&name) => {
                self.unknown_class(&name, receiver.at)
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &mut Call, at: Position) -> Scoped {
        self.arguments(&mut call.arguments)?;
        match &mut call.callee {
            Callee::Name(name) => {
                let text = Rc::clone(&name.text);
                if let Some((slot, _)) = self.find(&text) {
                    call.callee = Callee::Value(Box::new(Expr { kind: Kind::Local(slot), at }));
                    return Ok(());
                }
                let is_method = self.class.as_ref().is_some_and(|class| {
                    class
                        .lineage()
                        .iter()
                        .any(|class| class.body.borrow().methods.iter().any(|method| method.name == text))
                        || class.body.borrow().fields.iter().any(|field| field.name == text)
                        || (class.builtin_parent().is(Builtin::Throwable) && text.starts_with("get"))
                        || (class.is_enum && matches!(&*text, "values" | "valueOf" | "ordinal" | "name"))
                });
                if is_method {
                    let receiver = Box::new(Expr { kind: Kind::This, at });
                    let name = name.clone();
                    call.callee = Callee::Method { receiver, name, access: crate::syntax::Access::Plain };
                    return Ok(());
                }
                if self.functions.contains(&text) {
                    call.callee = Callee::Functions(text);
                    return Ok(());
                }
                if let Some(class) = self.static_import(&text) {
                    let receiver = Box::new(Expr { kind: Kind::Class(class), at });
                    let name = name.clone();
                    call.callee = Callee::Method { receiver, name, access: crate::syntax::Access::Plain };
                    return Ok(());
                }
                if !FREE_METHODS.contains(&&*text) {
                    self.global(&text);
                }
                Ok(())
            }
            Callee::Method { receiver, name, .. } => {
                if name.id == Method::Other && self.is_worth_a_look() && !self.may_be_member(&name.text) {
                    let hint = Method::nearest(&name.text).map_or_else(
                        || "write its work as code".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let message = format!("no supported method is called `{}`; {hint}", name.text);
                    self.warnings.push(Refusal { at, message });
                }
                self.receiver(receiver)
            }
            Callee::Computed { receiver, name, .. } => {
                self.receiver(receiver)?;
                self.expr(name)
            }
            Callee::Value(value) => self.expr(value),
            Callee::Functions(_) | Callee::Super(_) | Callee::Constructor { .. } => Ok(()),
        }
    }

    /// Whether names are still looked up that may be misspelt: each is compared with all that the script defines.
    fn is_worth_a_look(&mut self) -> bool {
        self.looked += 1;
        self.looked <= LOOKED_MAX && self.warnings.len() < WARNINGS_MAX
    }

    /// Whether the script itself may define a method or a closure of that name.
    fn may_be_member(&self, name: &Rc<str>) -> bool {
        self.known.open
            || self.known.members.contains(name)
            || crate::library::snowplow::getter(name).is_some()
            || crate::library::native::NAMED.contains(&&**name)
            || self.functions.contains(name)
            || self.classes.iter().any(|class| {
                let body = class.body.borrow();
                body.methods.iter().any(|method| method.name == *name)
                    || body.fields.iter().any(|field| {
                        let accessor =
                            ["get", "set", "is"].iter().find_map(|prefix| name.strip_prefix(prefix));
                        field.name == *name
                            || accessor.is_some_and(|rest| rest.eq_ignore_ascii_case(&field.name))
                    })
            })
    }
}

/// A function without its body.
fn signature(function: &Function) -> Function {
    let parameter = |parameter: &crate::syntax::Parameter| crate::syntax::Parameter {
        variable: Declared {
            name: Rc::clone(&parameter.variable.name),
            at: parameter.variable.at,
            class: None,
            slot: 0,
        },
        default: None,
    };
    Function {
        name: Rc::clone(&function.name),
        at: function.at,
        parameters: function.parameters.iter().map(parameter).collect(),
        variadic: function.variadic,
        body: Vec::new(),
        is_static: function.is_static,
        is_abstract: function.is_abstract,
        answer: None,
        captures: Vec::new(),
        slots: 0,
        shared: Vec::new(),
        types: Vec::new(),
    }
}
