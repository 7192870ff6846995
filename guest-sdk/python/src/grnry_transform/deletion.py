"""`DeletionEvent`: what a transform answers to have stored events deleted."""

from __future__ import annotations

import json
from typing import Optional


class DeletionEvent:
    """Deletes one event, or, without event id, all events of the correlation id and the harvester's event type."""

    __slots__ = ("correlationId", "eventId")

    def __init__(self, correlationId: str, eventId: Optional[str] = None) -> None:
        if not isinstance(correlationId, str) or not correlationId:
            raise ValueError(f"DeletionEvent: the correlation id must be a text, got {correlationId!r:.60}")
        if eventId is not None and not isinstance(eventId, str):
            raise ValueError(f"DeletionEvent: the event id must be a text or None, got {eventId!r:.60}")
        self.correlationId = correlationId
        self.eventId = eventId

    def getCorrelationId(self) -> str:
        """The correlation id."""
        return self.correlationId

    def getEventId(self) -> Optional[str]:
        """The event id, None for all events."""
        return self.eventId

    def toJSON(self) -> str:
        """JSON text with `correlationId` and, where given, `eventId`."""
        fields = {"correlationId": self.correlationId}
        if self.eventId is not None:
            fields["eventId"] = self.eventId
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    def __repr__(self) -> str:
        return f"DeletionEvent({self.correlationId!r}, {self.eventId!r})"
