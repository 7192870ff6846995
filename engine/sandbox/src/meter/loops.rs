//! What the loops of a function do.

use wasmparser::{BinaryReaderError, FunctionBody, Operator};

/// What one turn of a loop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turns {
    /// Neither calls nor further loops.
    Plain,
    /// Anything.
    Checked,
}

/// The loops of a body in the order of their beginnings.
pub(super) fn of(body: &FunctionBody<'_>) -> Result<Vec<Turns>, BinaryReaderError> {
    let (mut loops, mut open) = (Vec::new(), Vec::new());
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        match operators.read()? {
            Operator::Loop { .. } => {
                is_checked(&mut loops, &open);
                open.push(Some(loops.len()));
                loops.push(Turns::Plain);
            }
            Operator::Block { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. } => {
                open.push(None);
            }
            Operator::End | Operator::Delegate { .. } => {
                open.pop();
            }
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => is_checked(&mut loops, &open),
            _ => {}
        }
    }
    Ok(loops)
}

/// The innermost open loop is not plain. The loops around it are not by then.
fn is_checked(loops: &mut [Turns], open: &[Option<usize>]) {
    if let Some(innermost) = open.iter().rev().flatten().next() {
        loops[*innermost] = Turns::Checked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loops(body: &str) -> Vec<Turns> {
        let module = wat::parse_str(format!("(module (func $f {body}))")).unwrap();
        let body = wasmparser::Parser::new(0).parse_all(&module).find_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CodeSectionEntry(body) => Some(of(&body).unwrap()),
            _ => None,
        });
        body.unwrap()
    }

    #[test]
    fn a_loop_is_plain_if_it_is_innermost_and_calls_nothing() {
        use Turns::{Checked, Plain};
        assert_eq!(loops("(loop)"), [Plain]);
        assert_eq!(loops("(call $f) (loop (block (if (i32.const 1) (then)))) (call $f)"), [Plain]);
        assert_eq!(loops("(loop (block (if (i32.const 1) (then (call $f)))))"), [Checked]);
        assert_eq!(
            loops("(loop (loop (loop)) (loop (call $f)) (block)) (loop)"),
            [Checked, Checked, Plain, Checked, Plain]
        );
        assert_eq!(loops("(loop (block (loop)) (call $f))"), [Checked, Plain]);
    }
}
