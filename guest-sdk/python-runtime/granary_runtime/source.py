"""The user's source: its lines, and excerpts of them with a caret."""

from __future__ import annotations

import linecache

#: Width of an excerpt in characters; a minified script may be one line of megabytes.
EXCERPT_MAX = 160

#: File name and module name for each kind of script.
NAMES = {"belt": ("extractorFn", "callback"), "transform": ("script", "script")}


class Source:
    """The text of a script under the file name that tracebacks show."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.name, self.module = NAMES[kind]
        # As the compiler sees it; a byte-order mark gets copied along with a listing.
        self.text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.lines = self.text.split("\n")

    def remember(self) -> None:
        """Makes the lines known to the traceback module."""
        # No time stamp: such entries are never checked against a file.
        linecache.cache[self.name] = (len(self.text), None, [line + "\n" for line in self.lines], self.name)

    def column(self, line: int, offset: int) -> int:
        """The 1-based column of a byte offset, which is what syntax trees and code objects hold."""
        if not 1 <= line <= len(self.lines):
            return 1
        return len(self.lines[line - 1].encode("utf-8", "replace")[:offset].decode("utf-8", "ignore")) + 1

    def excerpt(self, line: int, column: int) -> str:
        """The line, and below it a caret under the column. Long lines are cut around the column."""
        if not 1 <= line <= len(self.lines):
            return ""
        text, at = self.lines[line - 1], column - 1
        if len(text) > EXCERPT_MAX:
            start = max(0, min(at - EXCERPT_MAX // 2, len(text) - EXCERPT_MAX))
            head = "..." if start else ""
            tail = "..." if start + EXCERPT_MAX < len(text) else ""
            text, at = head + text[start : start + EXCERPT_MAX] + tail, at - start + len(head)
        # Tabs stay tabs, so that the caret stands under its column however wide they are shown.
        padding = "".join("\t" if character == "\t" else " " for character in text[:at].ljust(at))
        return f"{text}\n{padding}^"
