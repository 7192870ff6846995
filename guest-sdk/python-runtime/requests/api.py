"""Requests, one function for each method."""

from __future__ import annotations

import json as _json
from typing import Any, List, Mapping, Optional, Tuple, Union
from urllib.parse import urlencode

from requests import transport
from requests.models import Response

_Pairs = Union[Mapping[str, Any], List[Tuple[str, Any]]]


def request(
    method: str,
    url: str,
    params: Optional[Union[_Pairs, str]] = None,
    data: Optional[Union[_Pairs, str, bytes]] = None,
    headers: Optional[Mapping[str, str]] = None,
    json: Any = None,
    timeout: Optional[Union[float, Tuple[Optional[float], Optional[float]]]] = None,
    allow_redirects: bool = False,
) -> Response:
    """Sends a request and waits for the whole response, at most `timeout` seconds."""
    if allow_redirects:
        raise NotImplementedError("redirects are not followed here: send another request to response.headers['location']")
    sent = [(str(name), _text(value)) for name, value in (headers or {}).items()]
    body, content_type = _body(data, json)
    if content_type is not None and not any(name.lower() == "content-type" for name, _ in sent):
        sent.append(("content-type", content_type))
    target = _with_query(str(url), params)
    status, received, content = transport.send(method.upper(), target, sent, body, _milliseconds(timeout))
    return Response(target, status, received, content)


def get(url: str, params: Optional[Union[_Pairs, str]] = None, **options: Any) -> Response:
    """Sends a GET request."""
    return request("GET", url, params=params, **options)


def options(url: str, **options: Any) -> Response:
    """Sends an OPTIONS request."""
    return request("OPTIONS", url, **options)


def head(url: str, **options: Any) -> Response:
    """Sends a HEAD request."""
    return request("HEAD", url, **options)


def post(url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
    """Sends a POST request."""
    return request("POST", url, data=data, json=json, **options)


def put(url: str, data: Any = None, **options: Any) -> Response:
    """Sends a PUT request."""
    return request("PUT", url, data=data, **options)


def patch(url: str, data: Any = None, **options: Any) -> Response:
    """Sends a PATCH request."""
    return request("PATCH", url, data=data, **options)


def delete(url: str, **options: Any) -> Response:
    """Sends a DELETE request."""
    return request("DELETE", url, **options)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _form(pairs: _Pairs) -> str:
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return urlencode([(name, value) for name, value in items if value is not None], doseq=True)


def _with_query(url: str, params: Optional[Union[_Pairs, str]]) -> str:
    query = params if isinstance(params, str) else _form(params or {})
    if not query:
        return url
    url, mark, fragment = url.partition("#")
    return f"{url}{'&' if '?' in url else '?'}{query}{mark}{fragment}"


def _body(data: Any, json: Any) -> Tuple[bytes, Optional[str]]:
    if data is None and json is not None:
        return _json.dumps(json, allow_nan=False).encode(), "application/json"
    if data is None:
        return b"", None
    if isinstance(data, str):
        return data.encode(), None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), None
    return _form(data).encode(), "application/x-www-form-urlencoded"


def _milliseconds(timeout: Any) -> Optional[int]:
    """The limit of the whole request: of a pair for connecting and reading, their sum."""
    if isinstance(timeout, tuple):
        timeout = None if None in timeout else sum(timeout)
    if timeout is None:
        return None
    if timeout <= 0:
        raise ValueError(f"timeout must be a number of seconds above 0, got {timeout}")
    return min(int(timeout * 1000) or 1, 2**32 - 1)
