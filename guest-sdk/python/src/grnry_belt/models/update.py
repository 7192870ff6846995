"""`Update`: one change of a profile, and the names of the operations."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Sequence, Union

from grnry_belt import context

SET_OPERATION = "_set"
SET_IF_NOT_EXIST_OPERATION = "_set_if_not_exist"
SET_WITH_HISTORY_OPERATION = "_set_with_history"
SET_WITH_HISTORY_DISTINCT_OPERATION = "_set_with_history_distinct"
SET_MAX_OPERATION = "_set_max"
SET_MIN_OPERATION = "_set_min"
SET_MAX_WITH_HISTORY_OPERATION = "_set_max_with_history"
SET_MIN_WITH_HISTORY_OPERATION = "_set_min_with_history"
DELETE_OPERATION = "_delete"
DELETE_WITH_HISTORY_OPERATION = "_delete_with_history"
INC_OPERATION = "_inc"
ARRAY_APPEND_OPERATION = "_array_append"
ARRAY_APPEND_WITH_HISTORY_OPERATION = "_array_append_with_history"
ARRAY_PUT_OPERATION = "_array_put"
ARRAY_PUT_WITH_HISTORY_OPERATION = "_array_put_with_history"
ARRAY_PUT_WITH_HISTORY_DISTINCT_OPERATION = "_array_put_with_history_distinct"
ARRAY_REMOVE_OPERATION = "_array_remove"
ARRAY_REMOVE_WITH_HISTORY_OPERATION = "_array_remove_with_history"
SET_TTL_OPERATION = "_set_ttl"
SET_TTN_OPERATION = "_set_ttn"
PROFILE_LINK_OPERATION = "_profile_link"

#: Profile type where `set_type` was not called.
DEFAULT_PROFILE_TYPE = "_d"
#: Duration that stands for "never".
DEFAULT_DURATION = "P100Y"
#: Reader role where none was given.
DEFAULT_READER = "_auth"

#: Times below this are taken for seconds (it is 1973 in milliseconds and the year 5138 in seconds).
_SECONDS_BELOW = 10**11
_UNSET = object()


def to_millis(moment: Union[int, float]) -> int:
    """Milliseconds since the epoch, from seconds (as `time.time()` yields) or milliseconds."""
    return int(moment * 1000) if moment < _SECONDS_BELOW else int(moment)


class Update:
    """A change of one grain of one profile. Setters return the update, so that they chain."""

    __slots__ = ("_id", "_path", "_operation", "_schema", "_type", "_value")

    #: The two that the reference shows as members of the class; the module has one for each operation.
    DELETE_OPERATION = DELETE_OPERATION
    SET_TTN_OPERATION = SET_TTN_OPERATION

    def __init__(self, id: str, path: Sequence[str], operation: str = SET_OPERATION) -> None:
        if isinstance(path, str) or not isinstance(path, (list, tuple)):
            raise TypeError(f"Update: path must be a list of texts, got {type(path).__name__}")
        if not path:
            raise ValueError("Update: path must have at least one element")
        self._id = id
        self._path: List[str] = list(path)
        self._operation = operation
        self._schema: Optional[str] = None
        self._type = DEFAULT_PROFILE_TYPE
        self._value: Optional[Dict[str, Any]] = None

    def set_value(
        self,
        value: Any,
        certainty: Any = _UNSET,
        _in: Any = None,
        ttn: Any = _UNSET,
        origin: Any = _UNSET,
        reader: Any = _UNSET,
        ttl: Any = _UNSET,
        *,
        _c: Any = _UNSET,
        _ttn: Any = _UNSET,
        _origin: Any = _UNSET,
        _reader: Any = _UNSET,
        _ttl: Any = _UNSET,
    ) -> "Update":
        """Sets the value and what is known about it. Mandatory.

        `value` is a text, a list of texts, or the counter text `initial|step|steps`; `_in` the time of insertion in
        seconds or milliseconds since the epoch (now, when left out); `ttn` and `ttl` are ISO 8601 durations. Note
        the order: the fourth position is `ttn`, `ttl` comes last. The names with an underscore are synonyms.
        """
        if context.belt_id is None:
            home = "/belts/local"
        else:
            home = f"/belts/{context.belt_id}"
        self._value = {
            "_v": value,
            "_c": _either("certainty", certainty, "_c", _c, 1.0),
            "_in": to_millis(time.time() if _in is None else _in),
            "_ttl": _either("ttl", ttl, "_ttl", _ttl, DEFAULT_DURATION),
            "_ttn": _either("ttn", ttn, "_ttn", _ttn, DEFAULT_DURATION),
            "_origin": _either("origin", origin, "_origin", _origin, home),
            "_reader": _either("reader", reader, "_reader", _reader, DEFAULT_READER),
        }
        return self

    def set_type(self, profile_type: str) -> "Update":
        """Sets the profile type; `_d` otherwise."""
        self._type = profile_type
        return self

    def set_operation(self, operation: str) -> "Update":
        """Sets the operation; `_set` otherwise."""
        self._operation = operation
        return self

    def set_schema(self, schema: Optional[str]) -> "Update":
        """Sets the schema; none otherwise."""
        self._schema = schema
        return self

    def get_id(self) -> str:
        """The correlation id of the profile."""
        return self._id

    def update(self) -> Dict[str, Any]:
        """The message of this update. Raises `ValueError` where `set_value` was not called."""
        if self._value is None:
            raise ValueError("Update: set_value(...) must be called before the update is emitted")
        return {
            "_schema": self._schema,
            "_operation": self._operation,
            "_id": self._id,
            "_path": self._path,
            "_value": self._value,
            "_profile_type": self._type,
        }

    def __repr__(self) -> str:
        return f"Update(id={self._id!r}, path={self._path!r}, operation={self._operation!r}, value={self._value!r})"


def _either(name: str, value: Any, synonym: str, other: Any, default: Any) -> Any:
    if other is _UNSET:
        return default if value is _UNSET else value
    if value is not _UNSET:
        raise TypeError(f"Update.set_value() got both {name!r} and its synonym {synonym!r}")
    return other
