"""The way out: a function of the component, which the runtime puts here."""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

from requests.exceptions import ConnectionError, ContentDecodingError, InvalidURL, RequestException, Timeout

Headers = List[Tuple[str, str]]
#: Takes method, URL, headers, body and milliseconds; answers status, headers and body or raises `Refused`.
Sender = Callable[[str, str, Headers, bytes, Optional[int]], Tuple[int, Headers, bytes]]

_KINDS = {
    "not-granted": ConnectionError,
    "invalid-request": InvalidURL,
    "failed": ConnectionError,
    "timed-out": Timeout,
    "too-large": ContentDecodingError,
}


class Refused(Exception):
    """There is no response. Carries one of the cases of the contract and its text."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


_sender: Optional[Sender] = None


def install(sender: Sender) -> None:
    """Says how requests are sent."""
    global _sender
    _sender = sender


def send(method: str, url: str, headers: Headers, body: bytes, timeout_ms: Optional[int]) -> Tuple[int, Headers, bytes]:
    """Sends a request. Raises an exception of this package."""
    if _sender is None:
        raise ConnectionError("requests are sent inside the engine only")
    try:
        return _sender(method, url, headers, body, timeout_ms)
    except Refused as refused:
        error = _KINDS.get(refused.kind, RequestException)(str(refused))
    # Out of the handler: what the runtime is made of is not part of the user's traceback.
    raise error
