"""Exceptions as the user should see them: type, text, and a traceback of the user's own lines."""

from __future__ import annotations

import traceback
from typing import Any, List, Optional, Tuple

from granary_runtime.source import Source
from grnry_belt.exceptions.exception import RetryException, UpdateError

#: Longest message and traceback in characters: both go into headers of the dead letter.
MESSAGE_MAX = 4_000
TRACEBACK_MAX = 16_000


def outcome(error: BaseException, source_name: str) -> tuple:
    """The failed item of the frame."""
    kind, message, text = describe(error, source_name)
    return ("e", kind, message, text, isinstance(error, RetryException))


def describe(error: BaseException, source_name: str) -> Tuple[str, str, str]:
    """Type, message and traceback of an exception."""
    kind = type(error).__qualname__
    message = _message(error)
    try:
        text = _traceback(error, source_name)
    except Exception as broken:
        # An exception class of the script may fail while it is printed.
        text = f"{kind}: {message}\n(no traceback: {type(broken).__name__})\n"
    return kind, _cut(message, MESSAGE_MAX), _cut(text, TRACEBACK_MAX)


def innermost(error: BaseException, source: Source) -> Tuple[int, int]:
    """Line and column of the innermost of the script's lines that led to the exception; zeros where there is none."""
    place: Optional[traceback.FrameSummary] = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == source.name:
            place = frame
    if place is None or not place.lineno:
        return 0, 0
    offset = getattr(place, "colno", None) or 0
    return place.lineno, source.column(place.lineno, offset)


def _message(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception as broken:
        return f"(its text cannot be shown: {type(broken).__name__})"
    if isinstance(error, MemoryError) and not message:
        return "out of memory: the script asked for more than its memory limit allows"
    if isinstance(error, OverflowError) and "index-sized integer" in message:
        # Names of the interpreter's inside; what happened is that the script wanted more than 2 GiB at once.
        return f"out of memory: one object of more than 2 GiB ({message})"
    return message


def _traceback(error: BaseException, source_name: str) -> str:
    shown = traceback.TracebackException.from_exception(error, lookup_lines=False)
    _keep_own_frames(shown, source_name, set())
    if isinstance(error, UpdateError) and error.sites:
        shown.stack = traceback.StackSummary.from_list(
            [traceback.FrameSummary(source_name, site.line, site.function) for site in error.sites]
        )
    return "".join(shown.format())


def _keep_own_frames(shown: traceback.TracebackException, source_name: str, seen: set) -> None:
    own: List[Any] = [frame for frame in shown.stack if frame.filename == source_name]
    shown.stack = traceback.StackSummary.from_list(own)
    seen.add(id(shown))
    for other in (shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())):
        if other is not None and id(other) not in seen:
            _keep_own_frames(other, source_name, seen)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n... ({len(text) - longest} characters left out) ...\n{text[-half:]}"
