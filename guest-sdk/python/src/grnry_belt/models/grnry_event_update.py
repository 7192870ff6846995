"""`GrnryEventUpdate`: an event for another event type, so that belts can be chained."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Union

from grnry_belt import context


class GrnryEventUpdate:
    """Emits an event of the type `output_type_name`, a declared output of kind `data_in`.

    Event id, timestamp and headers are those of the incoming message where they are not given. A belt that emits
    several events for one message must give them distinct event ids: correlation id, event id and event type
    together are the key of an event. `timestamp` is in seconds or milliseconds since the epoch.

    Where `execute` got a session (lists of headers and payloads), the defaults are the session's own, which are not among
    those lists; the new event is a single one.
    """

    __slots__ = ("output_type_name", "correlation_id", "event_id", "timestamp", "headers", "value", "_sites")

    def __init__(
        self,
        output_type_name: str,
        correlation_id: str,
        event_id: Optional[str] = None,
        timestamp: Union[int, float, str, None] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.output_type_name = output_type_name
        self.correlation_id = correlation_id
        self.event_id = event_id
        self.timestamp = timestamp
        self.headers = headers
        #: The payload; None until `set_value`.
        self.value: Optional[Dict[str, Any]] = None
        # Chaining is rare beside live segments: always noting the place is cheap enough and the code stays simple.
        if context.outputs is not None:
            self._sites = context.call_sites()

    def set_value(self, payload: Dict[str, Any]) -> "GrnryEventUpdate":
        """Sets the payload, a dict of JSON values. Mandatory."""
        self.value = payload
        return self

    def __repr__(self) -> str:
        return (
            f"GrnryEventUpdate(output_type_name={self.output_type_name!r}, correlation_id={self.correlation_id!r}, "
            f"event_id={self.event_id!r}, timestamp={self.timestamp!r}, value={self.value!r})"
        )
