"""What comes back."""

from __future__ import annotations

import http
import json
from email.message import Message
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from requests.exceptions import HTTPError, JSONDecodeError


class Headers(Mapping[str, str]):
    """Names in any case. Several values of one name are joined by commas."""

    def __init__(self, pairs: List[Tuple[str, str]]) -> None:
        self._values: dict = {}
        for name, value in pairs:
            known = self._values.get(name.lower())
            self._values[name.lower()] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class Response:
    """The whole response."""

    def __init__(self, url: str, status: int, headers: List[Tuple[str, str]], content: bytes) -> None:
        self.url = url
        self.status_code = status
        self.headers = Headers(headers)
        self.content = content
        self.encoding: Optional[str] = _charset(self.headers.get("content-type", ""))

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def reason(self) -> str:
        """The words that usually go with the status."""
        try:
            return http.HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def text(self) -> str:
        """The body as text, in the charset of its content type or UTF-8."""
        try:
            return self.content.decode(self.encoding or "utf-8", "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self, **options: Any) -> Any:
        """The body as JSON."""
        try:
            return json.loads(self.content if self.encoding is None else self.text, **options)
        except json.JSONDecodeError as error:
            raise JSONDecodeError(error, self) from None

    def raise_for_status(self) -> None:
        """Raises `HTTPError` where the status is 400 or more."""
        if not self.ok:
            side = "Client" if self.status_code < 500 else "Server"
            raise HTTPError(f"{self.status_code} {side} Error: {self.reason} for url: {self.url}", response=self)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


def _charset(content_type: str) -> Optional[str]:
    message = Message()
    message["content-type"] = content_type
    return message.get_content_charset()
