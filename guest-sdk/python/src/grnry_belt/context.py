"""The facts about the belt that the running code belongs to. Outside the engine they are unset and nothing is checked."""

from __future__ import annotations

import sys
from typing import Dict, List, Mapping, NamedTuple, Optional

#: Technical id of the belt; None outside the engine.
belt_id: Optional[str] = None
#: Declared outputs, name to kind (`live_segment`, `data_in`, `profile`); None outside the engine.
outputs: Optional[Dict[str, str]] = None
#: Names of the declared live segments; None outside the engine. Read for every `DirectUpdate`.
live_segments: Optional[frozenset] = None
#: File name under which the belt's own source was compiled.
source_name = "extractorFn"


class Site(NamedTuple):
    """One call in the belt's own source."""

    line: int
    function: str


def declare(id: Optional[str], declared: Optional[Mapping[str, str]]) -> None:
    """Says which belt runs and what it may write. `declare(None, None)` turns the checks off."""
    global belt_id, outputs, live_segments
    belt_id = id
    outputs = None if declared is None else dict(declared)
    live_segments = None if outputs is None else frozenset(n for n, kind in outputs.items() if kind == "live_segment")


def call_sites() -> List[Site]:
    """The calls in the belt's own source that led here, outermost first.

    An update is checked when it is returned, but the line that its author wants to see is where it was made. The
    classes note it for updates that look wrong, so that right ones pay nothing.
    """
    sites: List[Site] = []
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == source_name:
            sites.append(Site(frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    sites.reverse()
    return sites
