"""`SnowplowCollectorPayload` and its Thrift binary form.

Field ids are those of the public interface file `collector-payload.thrift`. On the wire a field is a type byte, an
i16 id and the value; a string is an i32 length and its bytes; a list is an element type and an i32 count; a zero byte
ends the struct. All numbers are big-endian. Bytes that are not UTF-8 become U+FFFD.
"""

from __future__ import annotations

from struct import Struct, error as StructError
from typing import Any, Dict, List, Tuple

#: Field name and id, in the order of the JSON form.
FIELDS: Tuple[Tuple[str, int], ...] = (
    ("schema", 31337),
    ("ipAddress", 100),
    ("timestamp", 200),
    ("encoding", 210),
    ("collector", 220),
    ("userAgent", 300),
    ("refererUri", 310),
    ("path", 320),
    ("querystring", 330),
    ("body", 340),
    ("headers", 350),
    ("contentType", 360),
    ("hostname", 400),
    ("networkUserId", 410),
)
_IDS: Dict[str, int] = dict(FIELDS)
_TIMESTAMP, _HEADERS = 200, 350

_BOOL, _BYTE, _DOUBLE, _I16, _I32, _I64, _STRING, _STRUCT, _MAP, _SET, _LIST, _UUID = 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16
_FIXED = {_BOOL: 1, _BYTE: 1, _DOUBLE: 8, _I16: 2, _I32: 4, _I64: 8, _UUID: 16}
_DEPTH_MAX = 64

# A string field's head in one read: most fields are strings, and a read costs more than the bytes it takes.
_text_head = Struct(">hi").unpack_from
_i16 = Struct(">h").unpack_from
_i32 = Struct(">i").unpack_from
_i64 = Struct(">q").unpack_from
_list_head = Struct(">Bi").unpack_from
_map_head = Struct(">BBi").unpack_from


class SnowplowCollectorPayload:
    """One request as the collector recorded it: an attribute, a getter `getX()` and `isSetX()` for each field.

    Absent fields are None, an absent timestamp reads as 0.
    """

    # By id. Texts are bytes until they are asked for: a transform reads few of the fields.
    __slots__ = ("_fields",)

    def __init__(self, **fields: Any) -> None:
        self._fields: Dict[int, Any] = {}
        for name, value in fields.items():
            if name not in _IDS:
                raise TypeError(f"SnowplowCollectorPayload has no field {name!r}")
            if value is not None:
                self._fields[_IDS[name]] = value

    def getHeadersSize(self) -> int:
        """Number of headers."""
        return len(self._fields.get(_HEADERS, ()))

    def getHeadersIterator(self) -> Any:
        """An iterator over the headers, None without any."""
        headers = _get(self, _HEADERS)
        return None if headers is None else iter(headers)

    def to_dict(self) -> Dict[str, Any]:
        """The 30 keys of the escaped JSON form: fields, presence flags, and two that are derived."""
        form: Dict[str, Any] = {name: _get(self, id) for name, id in FIELDS}
        for name, id in FIELDS:
            form["set" + name[0].upper() + name[1:]] = id in self._fields
        form["headersSize"] = self.getHeadersSize()
        form["headersIterator"] = form["headers"]
        return form

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, SnowplowCollectorPayload):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_get(self, id)!r}" for name, id in FIELDS if id in self._fields)
        return f"SnowplowCollectorPayload({shown})"


def _get(payload: SnowplowCollectorPayload, id: int) -> Any:
    fields = payload._fields
    value = fields.get(id)
    if type(value) is bytes:
        value = fields[id] = value.decode("utf-8", "replace")
    elif type(value) is list:
        value = fields[id] = [v.decode("utf-8", "replace") if type(v) is bytes else v for v in value]
    elif value is None and id == _TIMESTAMP:
        # A number that is absent reads as 0 in the class that the scripts were written for.
        return 0
    return value


def _add_accessors() -> None:
    for name, id in FIELDS:

        def get(self: SnowplowCollectorPayload, id: int = id) -> Any:
            return _get(self, id)

        def is_set(self: SnowplowCollectorPayload, id: int = id) -> bool:
            return id in self._fields

        def assign(self: SnowplowCollectorPayload, value: Any, id: int = id) -> None:
            if value is None:
                self._fields.pop(id, None)
            else:
                self._fields[id] = value

        suffix = name[0].upper() + name[1:]
        get.__name__, is_set.__name__ = "get" + suffix, "isSet" + suffix
        setattr(SnowplowCollectorPayload, "get" + suffix, get)
        setattr(SnowplowCollectorPayload, "isSet" + suffix, is_set)
        setattr(SnowplowCollectorPayload, name, property(get, assign))


_add_accessors()


class ThriftError(ValueError):
    """The bytes are not a collector payload."""


def decode(data: bytes) -> SnowplowCollectorPayload:
    """Reads a payload. Unknown fields are skipped. Raises `ThriftError` with the position for anything malformed."""
    payload = SnowplowCollectorPayload.__new__(SnowplowCollectorPayload)
    fields: Dict[int, Any] = {}
    payload._fields = fields
    at, end = 0, len(data)
    try:
        while True:
            kind = data[at]
            if kind == _STRING:
                id, length = _text_head(data, at + 1)
                start = at + 7
                at = start + length
                if length < 0 or at > end:
                    raise _bad_length(start - 4, length, end - start)
                # Under an unknown id too: nothing asks for it, and testing costs more than storing.
                fields[id] = data[start:at]
            elif kind == 0:
                break
            else:
                (id,) = _i16(data, at + 1)
                at += 3
                if kind == _I64 and id == _TIMESTAMP:
                    (fields[id],) = _i64(data, at)
                    at += 8
                elif kind == _LIST and id == _HEADERS and data[at] == _STRING:
                    fields[id], at = _strings(data, at)
                else:
                    at = _skip(data, at, kind, _DEPTH_MAX)
    except (IndexError, StructError):
        raise ThriftError(f"not a collector payload: the record of {end} bytes ends inside a field, at byte {at}") from None
    # Fields of these ids but of another type are unknown fields.
    if type(fields.get(_TIMESTAMP)) is bytes:
        del fields[_TIMESTAMP]
    if type(fields.get(_HEADERS)) is bytes:
        del fields[_HEADERS]
    return payload


def _bad_length(at: int, length: int, left: int) -> ThriftError:
    if length < 0:
        return ThriftError(f"not a collector payload: negative length {length} at byte {at}")
    return ThriftError(f"not a collector payload: length {length} at byte {at}, but {left} bytes are left")


def _strings(data: bytes, at: int) -> Tuple[List[bytes], int]:
    _, count = _list_head(data, at)
    at += 5
    end = len(data)
    if count < 0 or count * 4 > end - at:
        raise _bad_length(at - 4, count, end - at)
    texts = []
    for _ in range(count):
        (length,) = _i32(data, at)
        start = at + 4
        at = start + length
        if length < 0 or at > end:
            raise _bad_length(start - 4, length, end - start)
        texts.append(data[start:at])
    return texts, at


def _skip(data: bytes, at: int, kind: int, depth: int) -> int:
    """The position after a value of this kind."""
    end = len(data)
    if depth == 0:
        raise ThriftError(f"not a collector payload: nested more than {_DEPTH_MAX} levels at byte {at}")
    size = _FIXED.get(kind)
    if size is not None:
        at += size
    elif kind == _STRING:
        (length,) = _i32(data, at)
        if length < 0:
            raise _bad_length(at, length, 0)
        at += 4 + length
    elif kind == _STRUCT:
        while data[at] != 0:
            at = _skip(data, at + 3, data[at], depth - 1)
        at += 1
    elif kind in (_LIST, _SET):
        item, count = _list_head(data, at)
        at = _skip_items(data, at + 5, (item,), count, depth)
    elif kind == _MAP:
        key, value, count = _map_head(data, at)
        at = _skip_items(data, at + 6, (key, value), count, depth)
    else:
        raise ThriftError(f"not a collector payload: unknown type {kind} at byte {at}")
    if at > end:
        raise ThriftError(f"not a collector payload: the record of {end} bytes ends inside a field, at byte {at}")
    return at


def _skip_items(data: bytes, at: int, kinds: Tuple[int, ...], count: int, depth: int) -> int:
    # Every item takes a byte at least, so a count beyond what is left is wrong and costs no loop.
    if count < 0 or count * len(kinds) > len(data) - at:
        raise _bad_length(at - 4, count, len(data) - at)
    for _ in range(count):
        for kind in kinds:
            at = _skip(data, at, kind, depth - 1)
    return at
