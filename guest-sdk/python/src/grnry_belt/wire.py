"""Checks an update against the belt's declared outputs and gives it the form in which it leaves the belt.

The forms are tuples, described beside the runtime (`guest-sdk/python-runtime/FRAME.md`); belts never see them.
"""

from __future__ import annotations

import difflib
import json
from typing import Any, Dict, Mapping, Optional

from grnry_belt import context
from grnry_belt.exceptions.exception import InvalidUpdate, MissingId, UndeclaredOutput, UpdateError, WrongOutputKind
from grnry_belt.models.direct_update import DirectUpdate
from grnry_belt.models.generic_update import GenericUpdate
from grnry_belt.models.grnry_event_update import GrnryEventUpdate
from grnry_belt.models.update import Update, to_millis


def wire(update: Any) -> Optional[tuple]:
    """The tuple of an update, or None where `update` is no update at all. Raises `UpdateError` for a wrong one."""
    if isinstance(update, DirectUpdate):
        return _direct(update)
    if isinstance(update, GrnryEventUpdate):
        return _event(update)
    if isinstance(update, Update):
        return _profile(update)
    if isinstance(update, GenericUpdate):
        return _generic(update)
    return None


def declared_text(outputs: Mapping[str, str]) -> str:
    """The declared outputs as a phrase for error texts."""
    if not outputs:
        return "the belt declares no outputTypes"
    return "declared are " + ", ".join(f"'{name}' ({kind})" for name, kind in outputs.items())


def target_problem(name: Any, kind: str, class_name: str) -> Optional[UpdateError]:
    """What is wrong with a target of updates of this class, as an exception to raise or to quote; None if nothing."""
    outputs = context.outputs
    if outputs is None:
        return None
    actual = outputs.get(name) if isinstance(name, str) else None
    if actual == kind:
        return None
    if actual is not None:
        return WrongOutputKind(
            f"{class_name}: output '{name}' is of kind {actual}, but a {class_name} needs an output of kind {kind}; "
            f"{declared_text(outputs)}"
        )
    shown = f"'{name}'" if isinstance(name, str) else f"{name!r} (a {type(name).__name__})"
    near = difflib.get_close_matches(name, list(outputs), n=1) if isinstance(name, str) else []
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return UndeclaredOutput(
        f"{class_name}: {shown} is not an output of this belt, {declared_text(outputs)}{hint}"
    )


def _check_target(update: Any, kind: str) -> None:
    problem = target_problem(update.output_type_name, kind, type(update).__name__)
    if problem is not None:
        problem.sites = _sites(update)
        raise problem


def _sites(update: Any) -> list:
    return getattr(update, "_sites", [])


def _direct(update: DirectUpdate) -> tuple:
    _check_target(update, "live_segment")
    name, value = update.output_type_name, update.value
    if not isinstance(value, dict):
        raise InvalidUpdate(
            f"DirectUpdate for '{name}': the value must be a dict, got {type(value).__name__}", _sites(update)
        )
    id = value.get("id")
    if isinstance(id, int) and not isinstance(id, bool):
        # The row keeps the integer; the text only chooses the partition.
        id = str(id)
    elif not isinstance(id, str):
        if id is None:
            what = "it is null" if "id" in value else "it has none (keys: " + ", ".join(map(repr, list(value)[:20])) + ")"
        else:
            what = f"it is of type {type(id).__name__}"
        raise MissingId(
            f"DirectUpdate for '{name}': the value needs to contain an id property, a text or an integer, but {what}",
            _sites(update),
        )
    return ("d", name, str(id), value)


def _event(update: GrnryEventUpdate) -> tuple:
    _check_target(update, "data_in")
    where = f"GrnryEventUpdate for '{update.output_type_name}'"
    sites = _sites(update)
    if not isinstance(update.value, dict):
        came = "set_value(...) was not called" if update.value is None else f"got {type(update.value).__name__}"
        raise InvalidUpdate(f"{where}: the payload must be a dict, {came}", sites)
    correlation_id = _id_text(update.correlation_id, f"{where}: the correlation id", sites)
    event_id = None if update.event_id is None else _id_text(update.event_id, f"{where}: the event id", sites)
    return (
        "g",
        update.output_type_name,
        correlation_id,
        event_id,
        _timestamp(update.timestamp, where, sites),
        _headers(update.headers, where, sites),
        update.value,
    )


def _profile(update: Update) -> tuple:
    try:
        return ("u", update.update())
    except ValueError as error:
        raise InvalidUpdate(str(error)) from None


def _generic(update: GenericUpdate) -> tuple:
    if context.outputs:
        raise WrongOutputKind(
            "GenericUpdate does not work in a belt with outputTypes; use DirectUpdate, GrnryEventUpdate or Update "
            f"({declared_text(context.outputs)})"
        )
    value = update.value
    if isinstance(value, (bytearray, memoryview)):
        value = bytes(value)
    elif isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, allow_nan=False)
    elif not isinstance(value, (str, bytes)):
        raise InvalidUpdate(f"GenericUpdate: the value must be text or bytes, got {type(value).__name__}")
    return (
        "r",
        _id_text(update.id, "GenericUpdate: the id", ()),
        value,
        _headers(update.headers, "GenericUpdate", ()),
    )


def _id_text(value: Any, what: str, sites: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return str(value)
    came = "an empty text" if value == "" else "none" if value is None else type(value).__name__
    raise InvalidUpdate(f"{what} must be a text, got {came}", sites)


def _timestamp(value: Any, where: str, sites: Any) -> Optional[str]:
    if value is None:
        return None
    try:
        if isinstance(value, str):
            value = int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # As the header of an event carries it.
            return str(to_millis(value))
    except (ValueError, OverflowError):
        pass
    raise InvalidUpdate(f"{where}: the timestamp must be milliseconds since the epoch, got {value!r:.60}", sites)


def _headers(headers: Any, where: str, sites: Any) -> Optional[Dict[str, str]]:
    if headers is None:
        return None
    if not isinstance(headers, Mapping):
        raise InvalidUpdate(f"{where}: headers must be a dict of texts, got {type(headers).__name__}", sites)
    texts: Dict[str, str] = {}
    for name, value in headers.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidUpdate(
                f"{where}: headers must be a dict of texts, header {name!r} has a {type(value).__name__}", sites
            )
        texts[str(name)] = str(value)
    return texts
