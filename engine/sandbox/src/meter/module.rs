//! Rewrites a core module.

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    BlockType, BranchHint, BranchHints, CodeSection, ConstExpr, Function, FunctionSection, GlobalSection,
    GlobalType, HeapType, InstructionSink, RefType, SectionId, TableSection, TableType, TypeSection, ValType,
};
use wasmparser::{BinaryReaderError, FunctionBody, KnownCustom, Operator, Parser, Payload, TypeRef};

use super::calls::Calls;
use super::loops::{self, Turns};
use super::{BYTES_SHIFT, CHECKS, TURNS_AT_ONCE, TURNS_MAX};

/// The module with checks; `None` where it has no code.
pub(super) fn metered(module: &[u8]) -> Result<Option<wasm_encoder::Module>, reencode::Error> {
    let Some(mut reencoder) = Module::read(module)? else { return Ok(None) };
    let mut out = wasm_encoder::Module::new();
    utils::parse_core_module(&mut reencoder, &mut out, Parser::new(0), module)?;
    Ok(Some(out))
}

/// The value of a hint.
const HARDLY_EVER: u32 = 0;

/// What is known of a module before it is written anew. The counter is appended to its globals, the table that may hold
/// nothing to its tables, the function that asks to its functions, so that no other index changes.
#[derive(Debug, Default)]
struct Module<'a> {
    /// The counter's index.
    globals: u32,
    /// The table's index.
    tables: u32,
    has_globals: bool,
    has_tables: bool,
    /// The function that asks: behind all others.
    ask: u32,
    /// Its type, behind all others.
    types: u32,
    imported_functions: u32,
    bodies: Vec<Body<'a>>,
    /// The bodies as they are written.
    written: Vec<Function>,
}

/// A function as it is.
#[derive(Debug)]
struct Body<'a> {
    body: FunctionBody<'a>,
    parameters: u32,
    /// Whether it is checked at its entry.
    checked: bool,
}

impl<'a> Module<'a> {
    fn read(module: &'a [u8]) -> Result<Option<Self>, BinaryReaderError> {
        let (mut parameters, mut types_of_bodies, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut this, mut calls) = (Self::default(), Calls::default());
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        parameters.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(function) => function.params().len(),
                            _ => 0,
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => this.imported_functions += 1,
                            TypeRef::Global(_) => this.globals += 1,
                            TypeRef::Table(_) => this.tables += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    types_of_bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
                }
                Payload::TableSection(section) => {
                    this.has_tables = true;
                    this.tables += section.count();
                }
                Payload::GlobalSection(section) => {
                    this.has_globals = true;
                    this.globals += section.count();
                }
                Payload::CodeSectionEntry(body) => {
                    calls.read(&body, this.imported_functions)?;
                    bodies.push(body);
                }
                _ => {}
            }
        }
        let count = |ty: u32| parameters.get(ty as usize).copied().unwrap_or_default() as u32;
        let bodies = bodies.into_iter().zip(types_of_bodies).zip(calls.checked());
        this.bodies =
            bodies.map(|((body, ty), checked)| Body { body, parameters: count(ty), checked }).collect();
        this.types = parameters.len() as u32;
        this.ask = this.imported_functions + this.bodies.len() as u32;
        Ok((!this.bodies.is_empty()).then_some(this))
    }

    fn write_counter(globals: &mut GlobalSection) {
        let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i64_const(CHECKS));
    }

    fn write_table(tables: &mut TableSection) {
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 0,
            maximum: Some(0),
            shared: false,
        });
    }

    /// Takes some from the counter.
    fn count(&self, out: &mut InstructionSink<'_>, checks: i64) {
        let counter = self.globals;
        out.global_get(counter).i64_const(checks).i64_sub().global_set(counter);
    }

    /// Takes one from the counter, and asks if it has run out.
    fn check(&self, out: &mut Written) {
        self.count(&mut out.function.instructions(), 1);
        self.ask_in_time(out);
    }

    /// Counts a turn of a plain loop in a local and takes many at once from the counter, which is in memory and would be
    /// what the loop waits for. Ends the guest where more turns than an object can have bytes were not followed by a
    /// question. A trap, unlike a question, costs a loop nothing: there is no way back to it.
    fn count_turn(&self, out: &mut Written, turns: u32) {
        out.function.instructions().local_get(turns).i32_const(1).i32_add().local_tee(turns);
        out.function.instructions().i32_const(TURNS_AT_ONCE as i32 - 1).i32_and().i32_eqz();
        let mut many = out.hardly_ever_if();
        self.count(&mut many, TURNS_AT_ONCE);
        many.global_get(self.globals).i64_const(-TURNS_MAX).i64_lt_s();
        out.hardly_ever_if().unreachable().end().end();
    }

    /// Takes from the counter what an operation on as many bytes as the local says is worth.
    fn check_bytes(&self, out: &mut Written, local: u32) {
        let counter = self.globals;
        out.function
            .instructions()
            .global_get(counter)
            .local_get(local)
            .i32_const(BYTES_SHIFT)
            .i32_shr_u()
            .i64_extend_i32_u()
            .i64_sub()
            .global_set(counter);
        self.ask_in_time(out);
    }

    /// Asks the host if the counter has run out.
    fn ask_in_time(&self, out: &mut Written) {
        out.function.instructions().global_get(self.globals).i64_const(0).i64_lt_s();
        out.hardly_ever_if().call(self.ask).end();
    }

    /// The function that asks.
    fn asking(&self) -> Function {
        let mut out = Function::new([]);
        out.instructions()
            .i64_const(CHECKS)
            .global_set(self.globals)
            .ref_null(HeapType::FUNC)
            .i32_const(1)
            .table_grow(self.tables)
            .drop()
            .end();
        out
    }

    /// A body with checks.
    fn written(&mut self, Body { body, parameters, checked }: &Body<'_>) -> Result<Written, reencode::Error> {
        let (mut locals, mut bytes_local) = (Vec::new(), *parameters);
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            bytes_local += count;
            locals.push((count, self.val_type(ty)?));
        }
        let turns_local = bytes_local + 1;
        locals.push((2, ValType::I32));
        let mut out = Written { function: Function::new(locals), hints: Vec::new() };
        let loops = loops::of(body)?;
        if *checked {
            self.check(&mut out);
        } else if loops.contains(&Turns::Plain) {
            // What plain loops of this module have counted is asked about where they cannot go on for ever: before.
            self.ask_in_time(&mut out);
        }
        let mut loops = loops.into_iter();
        let mut operators = body.get_operators_reader()?;
        let mut constant = None;
        while !operators.eof() {
            let operator = operators.read()?;
            let small = constant.is_some_and(|bytes: i32| (bytes as u32) >> BYTES_SHIFT == 0);
            if matches!(operator, Operator::MemoryCopy { .. } | Operator::MemoryFill { .. }) && !small {
                out.function.instructions().local_set(bytes_local);
                self.check_bytes(&mut out, bytes_local);
                out.function.instructions().local_get(bytes_local);
            }
            constant = match operator {
                Operator::I32Const { value } => Some(value),
                _ => None,
            };
            let is_loop = matches!(operator, Operator::Loop { .. });
            out.function.instruction(&self.instruction(operator)?);
            match is_loop.then(|| loops.next()).flatten() {
                None => {}
                Some(Turns::Plain) => self.count_turn(&mut out, turns_local),
                Some(Turns::Checked) => self.check(&mut out),
            }
        }
        Ok(out)
    }

    /// Writes all bodies; answers the hints.
    fn write_bodies(&mut self) -> Result<BranchHints, reencode::Error> {
        let mut hints = BranchHints::new();
        for (at, body) in std::mem::take(&mut self.bodies).iter().enumerate() {
            let written = self.written(body)?;
            if !written.hints.is_empty() {
                hints.function_hints(self.imported_functions + at as u32, written.hints);
            }
            self.written.push(written.function);
        }
        self.written.push(self.asking());
        Ok(hints)
    }
}

/// A function as it is written, and which of its branches are hardly ever taken.
struct Written {
    function: Function,
    hints: Vec<BranchHint>,
}

impl Written {
    /// Begins the part that is hardly ever reached, where what lies on the stack is not 0.
    fn hardly_ever_if(&mut self) -> InstructionSink<'_> {
        let branch_func_offset = self.function.byte_len() as u32;
        self.hints.push(BranchHint { branch_func_offset, branch_hint_value: HARDLY_EVER });
        let mut out = self.function.instructions();
        out.if_(BlockType::Empty);
        out
    }
}

impl Reencode for Module<'_> {
    type Error = std::convert::Infallible;

    fn parse_table_section(
        &mut self,
        tables: &mut TableSection,
        section: wasmparser::TableSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_table_section(self, tables, section)?;
        Self::write_table(tables);
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_global_section(self, globals, section)?;
        Self::write_counter(globals);
        Ok(())
    }

    /// Writes the sections that the module lacks, each before the first section that must come after it.
    fn intersperse_section_hook(
        &mut self,
        module: &mut wasm_encoder::Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), reencode::Error> {
        use SectionId::{Code, DataCount, Element, Export, Global, Memory, Start, Tag};
        let behind_globals = matches!(before, Some(Export | Start | Element | DataCount | Code));
        let behind_tables = behind_globals || matches!(before, Some(Memory | Tag | Global));
        if behind_tables && !std::mem::replace(&mut self.has_tables, true) {
            let mut tables = TableSection::new();
            Self::write_table(&mut tables);
            module.section(&tables);
        }
        if behind_globals && !std::mem::replace(&mut self.has_globals, true) {
            let mut globals = GlobalSection::new();
            Self::write_counter(&mut globals);
            module.section(&globals);
        }
        if before == Some(Code) {
            module.section(&self.write_bodies()?);
        }
        Ok(())
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        _: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        for function in &self.written {
            code.function(function);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut wasm_encoder::Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        // Hints of the module itself are for bodies that are no more.
        match section.as_known() {
            KnownCustom::BranchHints(_) => Ok(()),
            _ => utils::parse_custom_section(self, module, section),
        }
    }
}
