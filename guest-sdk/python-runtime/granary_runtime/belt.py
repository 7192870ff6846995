"""Loads a belt and runs it on single messages."""

from __future__ import annotations

import ast
import inspect
import logging
import marshal
from typing import Any, Callable, Dict, List, Tuple

from granary_runtime import script
from granary_runtime.diagnostic import Diagnostic, at_node, of_exception, Refused, refuse
from granary_runtime.plain import plain
from granary_runtime.source import Source
from grnry_belt import context
from grnry_belt.models.direct_update import DirectUpdate
from grnry_belt.models.update import Update
from grnry_belt.wire import target_problem, wire

_dumps = marshal.dumps
_log = logging.getLogger("belt")

#: Fetch modes with which `execute` gets the profile as third argument.
_PREFETCH = ("PREFETCH", "PREFETCH_WITH_HISTORY", "TRUE")
_TARGET_KINDS = {"DirectUpdate": "live_segment", "GrnryEventUpdate": "data_in"}


class Belt:
    """A loaded belt."""

    def __init__(self, execute: Callable[..., Any], outputs: Dict[str, str]) -> None:
        self._execute = execute
        self._outputs = outputs
        self._told: set = set()

    def run(self, headers: Dict[str, str], payload: Any) -> bytes:
        """Calls `execute` for one message and answers the marshalled list of its updates."""
        result = self._execute(headers, payload)
        if type(result) is not list:
            result = self._as_list(result)
        updates: List[Any] = []
        live_segments = context.live_segments
        for update in result:
            # The common case in line; `wire` does the same for it, and everything else.
            if type(update) is DirectUpdate:
                name, value = update.output_type_name, update.value
                if type(value) is dict and type(name) is str and name in live_segments:  # type: ignore[operator]
                    if type(value.get("id")) is str:
                        # The id stands in the value already: less to write, and to read.
                        updates.append((value, name))
                        continue
            form = wire(update)
            if form is not None:
                updates.append(form)
                if form[0] == "u":
                    self._check_profile_output()
            else:
                self._tell("ignored", f"execute returned a list with a {type(update).__name__}, which is ignored")
        try:
            # Here and not for the whole batch: a belt may reuse a dict for its next message.
            return _dumps(updates, 2)
        except ValueError:
            pass
        return _dumps([_plain_form(form) for form in updates], 2)

    def _as_list(self, result: Any) -> Any:
        if result is None:
            return ()
        if isinstance(result, (list, tuple)):
            return result
        if isinstance(result, (DirectUpdate, Update)) or wire(result) is not None:
            return (result,)
        self._tell("result", f"execute returned a {type(result).__name__}, which is ignored; return a list of updates")
        return ()

    def _check_profile_output(self) -> None:
        if self._outputs and "profile" not in self._outputs.values():
            self._tell("profile", "an Update goes to profile-update, although no output of kind profile is declared")

    def _tell(self, topic: str, text: str) -> None:
        # Once per instance: the same thing may happen for every message.
        if topic not in self._told:
            self._told.add(topic)
            _log.warning("%s (said once)", text)


def _plain_form(form: tuple) -> tuple:
    kind = form[0]
    if type(kind) is dict:
        return (plain(kind, f"the value for '{form[1]}'"), str(form[1]))
    if kind == "d":
        return ("d", str(form[1]), form[2], plain(form[3], f"the value for '{form[1]}'"))
    if kind == "g":
        return ("g", str(form[1]), *form[2:6], plain(form[6], f"the payload for '{form[1]}'"))
    if kind == "u":
        return ("u", plain(form[1], "the Update"))
    return form


def load(source: Source, config: Dict[str, Any]) -> Tuple[Belt, List[Diagnostic]]:
    """Compiles, runs and checks a belt's module. Raises `Refused` when it cannot be a belt."""
    outputs = {str(output.get("name")): str(output.get("kind")) for output in config.get("outputTypes") or ()}
    belt_id = config.get("beltId")
    context.declare("" if belt_id is None else str(belt_id), outputs)
    fetch = str(config.get("fetchProfile") or "FALSE").upper()

    code, tree, warnings = script.compile_source(source)
    warnings += _literal_targets(tree, source)
    namespace = script.module(source).__dict__
    namespace["Update"] = Update
    if fetch == "LAZY":
        namespace["profileClient"] = _Unavailable("profileClient")
    if fetch != "FALSE":
        namespace["eventstoreClient"] = _Unavailable("eventstoreClient")
    try:
        exec(code, namespace)
    except BaseException as error:
        raise Refused([*warnings, of_exception(error, source)]) from None
    execute = _checked(namespace, tree, source, fetch)
    return Belt(execute, outputs), warnings


def _checked(namespace: Dict[str, Any], tree: ast.Module, source: Source, fetch: str) -> Callable[..., Any]:
    """The belt's `execute`, once it takes the right number of arguments."""
    node = next((n for n in reversed(tree.body) if getattr(n, "name", None) == "execute"), None)
    execute = namespace.get("execute")
    if execute is None:
        refuse("the belt has no function named execute; define execute(event_headers, event_payload)", source)
    if not callable(execute):
        refuse(f"execute must be a function, but it is a {type(execute).__name__}", source, node)
    if inspect.iscoroutinefunction(execute):
        refuse("execute is an async function; a belt's execute must be a plain function", source, node)
    if inspect.isgeneratorfunction(execute):
        refuse("execute is a generator (it contains yield); return a list of updates instead", source, node)
    try:
        parameters = inspect.signature(execute).parameters.values()
    except (TypeError, ValueError):
        return _with_profile(execute, fetch)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty:
            refuse(f"execute requires the keyword argument '{p.name}'; arguments are passed by position", source, node)
    count = len(positional)
    if fetch in _PREFETCH:
        if count != 3 and not (open_ended and count < 3):
            refuse(
                f"execute must have exactly 3 parameters with fetchProfile {fetch} "
                f"(event_headers, event_payload, profile), it has {count}",
                source,
                node,
            )
    elif not (count == 2 or (count == 3 and positional[2].default is not inspect.Parameter.empty) or (open_ended and count < 3)):
        refuse(
            f"execute must have 2 parameters (event_headers, event_payload), or a third one with a default, "
            f"with fetchProfile {fetch}; it has {count}" + (" without a default for the third" if count == 3 else ""),
            source,
            node,
        )
    return _with_profile(execute, fetch)


def _with_profile(execute: Callable[..., Any], fetch: str) -> Callable[..., Any]:
    if fetch not in _PREFETCH:
        return execute
    # No profile store yet: as for a correlation id without profile.
    return lambda headers, payload: execute(headers, payload, None)


def _literal_targets(tree: ast.Module, source: Source) -> List[Diagnostic]:
    """Warnings for updates whose target is written out and not declared."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        kind = _TARGET_KINDS.get(name)
        if kind is None:
            continue
        target = next((k.value for k in node.keywords if k.arg == "output_type_name"), node.args[0] if node.args else None)
        if isinstance(target, ast.Constant) and isinstance(target.value, str):
            problem = target_problem(target.value, kind, name)
            if problem is not None:
                found.append(at_node("warning", str(problem), source, target))
    found.sort(key=lambda diagnostic: (diagnostic.line, diagnostic.column))
    return found


class _Unavailable:
    """Stands for a client of the original that this engine does not offer."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, call: str) -> Any:
        if call.startswith("__"):
            raise AttributeError(call)
        raise RuntimeError(f"{self._name}.{call} is not available in this engine: a belt cannot fetch while it runs")
