"""Loads a transform and runs it on single records."""

from __future__ import annotations

import ast
import inspect
import json
import marshal
import symtable
from types import CodeType
from typing import Any, Callable, Dict, List, Tuple

import grnry_transform
from granary_runtime import script
from granary_runtime.diagnostic import Diagnostic, of_exception, Refused, refuse
from granary_runtime.plain import plain
from granary_runtime.source import Source
from grnry_transform import DeletionEvent, SnowplowCollectorPayload, SnowplowSerDe

_dumps = marshal.dumps
_SKIPPED = _dumps(None, 2)

#: Names that a transform finds bound.
_HELPERS: Dict[str, Any] = {"json": json, **{name: getattr(grnry_transform, name) for name in grnry_transform.__all__}}


class Transform:
    """A loaded transform: a function of payload and headers."""

    def __init__(self, function: Callable[[bytes, Dict[str, str]], Any]) -> None:
        self._function = function

    def run(self, headers: Dict[str, str], payload: bytes) -> bytes:
        """Answers the marshalled result for one record."""
        result = self._function(payload, headers)
        if result is None:
            return _SKIPPED
        if type(result) is str:
            return _dumps(("t", result), 2)
        if isinstance(result, (list, tuple)):
            return _marshalled([_message(item) for item in result if item is not None])
        return _marshalled(_message(result))


def _message(result: Any) -> tuple:
    """The form of one message."""
    if isinstance(result, str):
        return ("t", str.__str__(result))
    if isinstance(result, (bytes, bytearray, memoryview)):
        return ("t", bytes(result).decode("utf-8"))
    if isinstance(result, DeletionEvent):
        return ("x", result.correlationId, result.eventId)
    if isinstance(result, SnowplowCollectorPayload):
        return ("t", SnowplowSerDe.toJSON(result))
    return ("o", result)


def _marshalled(forms: Any) -> bytes:
    try:
        return _dumps(forms, 2)
    except ValueError:
        pass
    if isinstance(forms, tuple):
        return _dumps(_plain_form(forms, "the result"), 2)
    return _dumps([_plain_form(form, f"the result's element {index}") for index, form in enumerate(forms)], 2)


def _plain_form(form: tuple, place: str) -> tuple:
    return ("o", plain(form[1], place)) if form[0] == "o" else form


def load(source: Source) -> Tuple[Transform, List[Diagnostic]]:
    """Compiles and checks a transform. Raises `Refused` when it cannot run.

    A source that defines `transform(payload, headers)` runs once, now, and the function for every record. Any other
    source runs for every record, with fresh names, and answers what it leaves in `result`.
    """
    code, tree, warnings = script.compile_source(source)
    assigned = _assigned(source)
    if "transform" in assigned:
        return _of_function(source, code, tree), warnings
    if "result" not in assigned:
        refuse("the transform neither defines transform(payload, headers) nor assigns its answer to `result`", source)
    warnings += _check_imports(source, tree)
    return _of_body(source, code), warnings


def _assigned(source: Source) -> set:
    table = symtable.symtable(source.text, source.name, "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}


def _of_function(source: Source, code: CodeType, tree: ast.Module) -> Transform:
    namespace = script.module(source).__dict__
    namespace.update(_HELPERS)
    try:
        exec(code, namespace)
    except BaseException as error:
        raise Refused([of_exception(error, source)]) from None
    node = next((n for n in reversed(tree.body) if getattr(n, "name", None) == "transform"), None)
    function = namespace.get("transform")
    if not callable(function):
        refuse(f"transform must be a function, but it is a {type(function).__name__}", source, node)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        refuse("transform must be a plain function: neither async nor with yield", source, node)
    try:
        inspect.signature(function).bind(b"", {})
    except TypeError:
        refuse("transform must take two arguments, transform(payload, headers)", source, node)
    except ValueError:
        pass
    return Transform(function)


def _of_body(source: Source, code: CodeType) -> Transform:
    template = {**script.module(source).__dict__, **_HELPERS}

    def run(payload: bytes, headers: Dict[str, str]) -> Any:
        # Fresh names for every record: nothing is shared between messages.
        names = {**template, "payload": payload, "headers": headers}
        exec(code, names)
        return names.get("result")

    return Transform(run)


def _check_imports(source: Source, tree: ast.Module) -> List[Diagnostic]:
    """Runs the import statements at the top of the source, so that a wrong one is found now and not by every record."""
    namespace = script.module(source).__dict__
    errors = []
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            try:
                exec(compile(ast.Module([node], []), source.name, "exec", dont_inherit=True), namespace)
            except BaseException as error:
                errors.append(of_exception(error, source))
    if errors:
        raise Refused(errors)
    return []
