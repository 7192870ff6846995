"""Figures of the belt's own. Inside the engine they appear in `/metrics` as `granary_belt_user_<name>` with the labels
`project` and `belt`; outside nothing happens.

Names of figures and labels are letters, digits and underscores, a letter first, at most 100; a belt has at most 100
series, what goes beyond is dropped and counted. A figure counts also when its event fails or is tried again.

    from grnry_belt import metrics

    metrics.increment("orders_total", country="DE")
    metrics.gauge("open_carts", 17)
    metrics.observe("order_value_eur", 41.97)
"""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

#: Takes kind (`counter`, `gauge`, `histogram`), name, value and labels.
Sink = Callable[[str, str, float, List[Tuple[str, str]]], None]

_sink: Optional[Sink] = None
#: Beyond this, floats do not hold every whole number.
_WHOLE_MAX = 2**53


def install(sink: Optional[Sink]) -> None:
    """Says where figures go. For the runtime."""
    global _sink
    _sink = sink


def increment(name: str, by: int = 1, /, **labels: object) -> None:
    """Adds to a counter, a whole number from 0."""
    if isinstance(by, bool) or not isinstance(by, int) or not 0 <= by <= _WHOLE_MAX:
        raise ValueError("metrics.increment: expected a whole number from 0, got %r" % (by,))
    _report("counter", name, by, labels)


def gauge(name: str, value: float, /, **labels: object) -> None:
    """Sets a gauge."""
    _report("gauge", name, value, labels)


def observe(name: str, value: float, /, **labels: object) -> None:
    """Adds a value to a histogram."""
    _report("histogram", name, value, labels)


def _report(kind: str, name: str, value: float, labels: dict) -> None:
    if not isinstance(name, str):
        raise TypeError("metrics: expected a text as name, got %r" % (name,))
    number = float(value)
    if _sink is not None:
        _sink(kind, name, number, [(label, str(text)) for label, text in labels.items()])
