"""The JSON forms of a collector payload: escaped, normalised, and normalised with the query's parameters."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Union
from urllib.parse import parse_qsl

from grnry_transform import thrift
from grnry_transform.deletion import DeletionEvent
from grnry_transform.thrift import SnowplowCollectorPayload

#: The normalised form nests at most this deep, so that any parser can read it; deeper embedded JSON stays a text.
DEPTH_MAX = 100

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=lambda o: _plain(o)).encode


class SnowplowSerDe:
    """Reads and writes collector payloads."""

    @staticmethod
    def deserialize(payload: bytes) -> SnowplowCollectorPayload:
        """The payload of a record of the stream `snowplow`. Raises `ValueError` for other bytes."""
        if isinstance(payload, (bytearray, memoryview)):
            payload = bytes(payload)
        if not isinstance(payload, bytes):
            raise TypeError(f"SnowplowSerDe.deserialize() takes the payload's bytes, got {type(payload).__name__}")
        return thrift.decode(payload)

    @staticmethod
    def toJSON(value: Any) -> str:
        """JSON text of a payload (its body stays a text), or of any map, list or scalar."""
        return _encode(value)


class SnowplowPayloadExtractor:
    """Opens the JSON inside a payload."""

    @staticmethod
    def normalizeJson(json_text: Union[SnowplowCollectorPayload, str, bytes, Dict[str, Any]]) -> Dict[str, Any]:
        """The object of a payload's JSON text with `body` as a JSON value and embedded JSON opened.

        A body that is not JSON stays a text. Inside the body only texts that are objects or arrays are opened.
        """
        form = _object(json_text)
        if "body" in form:
            body = form["body"]
            if isinstance(body, str):
                parsed = _parse(body)
                if parsed is not _NOT_JSON and _depth(parsed) < DEPTH_MAX:
                    body = parsed
            form["body"] = _open(body, 1)
        return form

    @staticmethod
    def getActualSnowplowPayload(payload: Union[SnowplowCollectorPayload, str, bytes, Dict[str, Any]]) -> str:
        """JSON text of the normalised form plus, where the request had a query, `queryParameters`: name to values."""
        form = SnowplowPayloadExtractor.normalizeJson(payload)
        query = form.get("querystring")
        if isinstance(query, str) and query:
            parameters: Dict[str, Any] = {}
            for name, value in parse_qsl(query, keep_blank_values=True):
                parameters.setdefault(name, []).append(value)
            form["queryParameters"] = parameters
        return _encode(form)


_NOT_JSON = object()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# The default parser takes NaN and Infinity, which no other JSON reader accepts.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _parse(text: str) -> Any:
    # Checked before parsing: the parser recurses, and a hostile body must not exhaust the stack.
    if text.count("[") + text.count("{") > DEPTH_MAX and _nesting(text) > DEPTH_MAX:
        return _NOT_JSON
    try:
        return _decoder.decode(text)
    except (ValueError, RecursionError):
        return _NOT_JSON


_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+', re.DOTALL)


def _nesting(text: str) -> int:
    deepest = level = 0
    for character in _LITERAL.sub("", text):
        if character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def _object(value: Any) -> Dict[str, Any]:
    if isinstance(value, SnowplowCollectorPayload):
        return value.to_dict()
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("utf-8")
    if not isinstance(value, str):
        raise TypeError(f"expected the JSON text of a collector payload, got {type(value).__name__}")
    try:
        parsed = _decoder.decode(value)
    except ValueError as error:
        raise ValueError(f"expected the JSON text of a collector payload: {error}") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"expected the JSON object of a collector payload, got {type(parsed).__name__}")
    return parsed


def _open(value: Any, level: int) -> Any:
    if isinstance(value, str):
        head = value.lstrip()[:1]
        if head != "{" and head != "[":
            return value
        parsed = _parse(value)
        if parsed is _NOT_JSON or level + _depth(parsed) > DEPTH_MAX:
            return value
        value = parsed
    if isinstance(value, dict):
        return {name: _open(item, level + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_open(item, level + 1) for item in value]
    return value


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _plain(value: Any) -> Any:
    if isinstance(value, SnowplowCollectorPayload):
        return value.to_dict()
    if isinstance(value, DeletionEvent):
        return {"correlationId": value.correlationId, "eventId": value.eventId}
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
