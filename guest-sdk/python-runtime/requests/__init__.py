"""The part of `requests` that belts use, over the engine's own HTTP: to the hosts of the belt's `outboundHosts`.

Only inside the runtime; on your own machine install the real one. What is not here fails by name, and nothing is
ignored silently. The engine follows no redirects and neither does this: a 3xx is the answer.
"""

from requests import exceptions
from requests.api import delete, get, head, options, patch, post, put, request
from requests.exceptions import (
    ConnectionError,
    HTTPError,
    InvalidURL,
    JSONDecodeError,
    RequestException,
    Timeout,
)
from requests.models import Response

__all__ = [
    "ConnectionError", "HTTPError", "InvalidURL", "JSONDecodeError", "RequestException", "Response", "Timeout",
    "delete", "exceptions", "get", "head", "options", "patch", "post", "put", "request",
]  # fmt: skip
