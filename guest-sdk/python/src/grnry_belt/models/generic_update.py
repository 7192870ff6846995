"""`GenericUpdate`: a raw message to the belt's destination topic. Deprecated: declare outputs instead."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union


class GenericUpdate:
    """Sends `value` (text, bytes, or a dict or list that becomes JSON text) under the key `id`.

    It works only for belts without `outputTypes`. A message for a `data_in` stream needs its `grnry-*` headers.
    """

    __slots__ = ("id", "value", "headers")

    def __init__(self, id: str, value: Union[str, bytes, Any], headers: Optional[Mapping[str, str]] = None) -> None:
        self.id = id
        self.value = value
        self.headers = headers

    def __repr__(self) -> str:
        return f"GenericUpdate(id={self.id!r}, value={self.value!r}, headers={self.headers!r})"
