"""`DirectUpdate`: a row of a live segment."""

from __future__ import annotations

from typing import Any, Dict

from grnry_belt import context


class DirectUpdate:
    """Writes `value` to the live segment `output_type_name`, replacing the row with the same `id`.

    `value` is a dict of JSON values and needs an `id`, a text or an integer. Target and id are checked when the belt
    returns the update, so the value may still be filled after this call.
    """

    __slots__ = ("output_type_name", "value", "_sites")

    def __init__(self, output_type_name: str, value: Dict[str, Any]) -> None:
        self.output_type_name = output_type_name
        self.value = value
        declared = context.live_segments
        if declared is not None and (output_type_name not in declared or type(value) is not dict or "id" not in value):
            self._sites = context.call_sites()

    def __repr__(self) -> str:
        return f"DirectUpdate(output_type_name={self.output_type_name!r}, value={self.value!r})"
