"""Compiling a user's source and giving it a module, for belts and transforms alike."""

from __future__ import annotations

import ast
import sys
import types
import warnings as python_warnings
from types import CodeType
from typing import List, Tuple

from granary_runtime import refusal
from granary_runtime.diagnostic import Diagnostic, of_syntax_error, refuse, Refused
from granary_runtime.source import Source


def compile_source(source: Source) -> Tuple[CodeType, ast.Module, List[Diagnostic]]:
    """Code, syntax tree and the compiler's warnings. Raises `Refused` for a source that is not Python."""
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        try:
            tree = ast.parse(source.text, source.name)
            # From the text and not from the tree: some mistakes are only found by one of the two, with better places.
            code = compile(source.text, source.name, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise Refused([of_syntax_error(error, source)]) from None
        except (RecursionError, MemoryError):
            refuse("the source is nested too deeply to be compiled", source)
        except (ValueError, OverflowError) as error:
            refuse(f"the source cannot be compiled: {error}", source)
    source.remember()
    seen = set()
    found = []
    for warning in caught:
        place = (warning.lineno, str(warning.message))
        if place not in seen:
            seen.add(place)
            line = warning.lineno or 0
            found.append(
                Diagnostic("warning", f"{warning.category.__name__}: {warning.message}", line, 0, source.excerpt(line, 1))
            )
    return code, tree, found


def module(source: Source) -> types.ModuleType:
    """The module that the source's names live in, importable under its name."""
    made = types.ModuleType(source.module)
    made.__dict__["__builtins__"] = refusal.script_builtins(source.kind)
    sys.modules[source.module] = made
    return made
