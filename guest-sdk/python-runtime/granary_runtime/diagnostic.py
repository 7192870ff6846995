"""What is wrong with a script, with its place in the user's source."""

from __future__ import annotations

import ast
from typing import List, NamedTuple, NoReturn, Optional

from granary_runtime import failure
from granary_runtime.source import Source


class Diagnostic(NamedTuple):
    """One finding, field by field the record of `wit/script.wit`. Line and column are 1-based, 0 where there is none."""

    severity: str
    message: str
    line: int = 0
    column: int = 0
    excerpt: str = ""
    traceback: str = ""


class Refused(Exception):
    """The script cannot run."""

    def __init__(self, diagnostics: List[Diagnostic]) -> None:
        super().__init__("; ".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = diagnostics


def at_node(severity: str, message: str, source: Source, node: Optional[ast.AST]) -> Diagnostic:
    """A finding at a node of the syntax tree; without place where there is no node."""
    line = getattr(node, "lineno", 0)
    if not line:
        return Diagnostic(severity, message)
    column = source.column(line, node.col_offset)  # type: ignore[union-attr]
    return Diagnostic(severity, message, line, column, source.excerpt(line, column))


def refuse(message: str, source: Source, node: Optional[ast.AST] = None) -> NoReturn:
    """Raises `Refused` with one error."""
    raise Refused([at_node("error", message, source, node)])


def of_syntax_error(error: SyntaxError, source: Source, severity: str = "error") -> Diagnostic:
    """A finding of the compiler, with its caret."""
    message = f"{type(error).__name__}: {error.msg}"
    if error.msg and "'return' outside function" in error.msg and source.kind == "transform":
        message += "; assign the answer to `result`, or define transform(payload, headers) and return it there"
    line = error.lineno or 0
    if line < 1 or line > len(source.lines):
        return Diagnostic(severity, message, line)
    column = min(max(error.offset or 1, 1), len(source.lines[line - 1]) + 1)
    return Diagnostic(severity, message, line, column, source.excerpt(line, column))


def of_exception(error: BaseException, source: Source) -> Diagnostic:
    """A failure of the script's own code while it is loaded, at the innermost of its lines."""
    if isinstance(error, SyntaxError) and error.filename == source.name:
        return of_syntax_error(error, source)
    kind, message, traceback = failure.describe(error, source.name)
    line, column = failure.innermost(error, source)
    excerpt = source.excerpt(line, column) if line else ""
    return Diagnostic("error", f"{kind}: {message}" if message else kind, line, column, excerpt, traceback)
