"""Turns values that `marshal` cannot write, but that have an evident JSON form, into plain ones.

The fast path never comes here: a value made of exact dicts, lists, texts, numbers is written as it is.
"""

from __future__ import annotations

import math
from typing import Any, Mapping

#: Values nest at most this deep.
DEPTH_MAX = 128


class NotJson(ValueError):
    """A value has no JSON form."""


def plain(value: Any, place: str = "value", level: int = 0) -> Any:
    """A copy of the value made of dict, list, str, int, float, bool and None only. Raises `NotJson` with the place.

    Subclasses become their base, tuples become lists, mappings become dicts; keys must be text.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(f"{place} is {value}, which JSON cannot hold")
        return float.__float__(value)
    if level >= DEPTH_MAX:
        raise NotJson(f"{place[:200]}... is nested more than {DEPTH_MAX} levels deep (or contains itself)")
    if isinstance(value, Mapping):
        fields = {}
        for name, item in value.items():
            if not isinstance(name, str):
                raise NotJson(f"{place} has the key {name!r:.60}, a {type(name).__name__}; keys must be text")
            fields[str.__str__(name)] = plain(item, f"{place}.{name}", level + 1)
        return fields
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{place}[{index}]", level + 1) for index, item in enumerate(value)]
    raise NotJson(
        f"{place} is a {type(value).__name__}, which has no JSON form; turn it into text, a number, a list or a dict"
    )
