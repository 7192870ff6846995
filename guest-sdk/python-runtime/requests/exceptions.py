"""What can go wrong, under the names that the real package has."""

from __future__ import annotations

import json
from typing import Any, Optional


class RequestException(IOError):
    """Something went wrong with a request."""

    def __init__(self, *args: Any, response: Optional[Any] = None) -> None:
        super().__init__(*args)
        self.response = response


class ConnectionError(RequestException):
    """The host is not granted, has no address, does not answer or breaks off."""


class Timeout(RequestException):
    """The response was not there in time."""


class HTTPError(RequestException):
    """The status is 400 or more."""


class InvalidURL(RequestException, ValueError):
    """What was given is no request: its URL, method or headers."""


class ContentDecodingError(RequestException):
    """The body is too large."""


class JSONDecodeError(RequestException, json.JSONDecodeError):
    """The body is not JSON."""

    def __init__(self, error: json.JSONDecodeError, response: Any) -> None:
        json.JSONDecodeError.__init__(self, error.msg, error.doc, error.pos)
        self.response = response
