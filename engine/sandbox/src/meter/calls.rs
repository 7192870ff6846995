//! Which functions must check at their entry, because a cycle of calls may pass by no loop.

use wasmparser::{BinaryReaderError, FunctionBody, Operator};

/// What a function does that matters here.
#[derive(Debug, Default)]
struct Function {
    /// The functions of the module that it calls, by their place among those that have a body.
    calls: Vec<u32>,
    /// Whether it calls what a table or a reference holds.
    calls_tables: bool,
}

/// The calls of a module.
#[derive(Debug, Default)]
pub(super) struct Calls {
    functions: Vec<Function>,
}

impl Calls {
    /// Reads the next body. `imported` is the number of functions before the first body.
    pub(super) fn read(&mut self, body: &FunctionBody<'_>, imported: u32) -> Result<(), BinaryReaderError> {
        let mut function = Function::default();
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    function.calls.extend(function_index.checked_sub(imported));
                }
                Operator::CallIndirect { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::CallRef { .. }
                | Operator::ReturnCallRef { .. } => function.calls_tables = true,
                _ => {}
            }
        }
        function.calls.sort_unstable();
        function.calls.dedup();
        self.functions.push(function);
        Ok(())
    }

    /// A graph without tables.
    #[cfg(test)]
    pub(super) fn of(calls: Vec<Vec<u32>>) -> Self {
        let function = |calls| Function { calls, calls_tables: false };
        Self { functions: calls.into_iter().map(function).collect() }
    }

    /// For each body whether it needs a check at its entry: it calls through a table, which may lead anywhere, or it
    /// closes a cycle of direct calls. Without these functions the graph of calls has no cycle.
    pub(super) fn checked(&self) -> Vec<bool> {
        let mut checked: Vec<bool> = self.functions.iter().map(|function| function.calls_tables).collect();
        // A depth-first walk: a call to a function that is on the way closes a cycle, and that function is checked. Below
        // a checked function nothing need be looked at twice.
        let (mut seen, mut on_way) = (vec![false; checked.len()], vec![false; checked.len()]);
        for start in 0..self.functions.len() {
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            on_way[start] = true;
            let mut way = vec![(start, 0)];
            while let Some((at, next)) = way.last_mut() {
                let Some(callee) = self.functions[*at].calls.get(*next) else {
                    on_way[*at] = false;
                    way.pop();
                    continue;
                };
                *next += 1;
                let callee = *callee as usize;
                if on_way.get(callee).copied().unwrap_or(false) {
                    checked[callee] = true;
                } else if let Some(seen) = seen.get_mut(callee).filter(|seen| !**seen) {
                    *seen = true;
                    on_way[callee] = true;
                    way.push((callee, 0));
                }
            }
        }
        checked
    }
}
