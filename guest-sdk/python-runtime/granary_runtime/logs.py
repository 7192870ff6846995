"""Where `logging`, `print` and `warnings` go: line by line to the host."""

from __future__ import annotations

import io
import logging
import sys
from typing import Callable

from granary_runtime import failure

#: Takes level (`debug`, `info`, `warning`, `error`), logger and message.
Sink = Callable[[str, str, str], None]

#: A line that grows beyond this is passed on in pieces.
LINE_MAX = 16_384


class HostHandler(logging.Handler):
    """Passes records of the logging module on."""

    def __init__(self, sink: Sink, source_name: str) -> None:
        super().__init__()
        self._sink = sink
        self.setFormatter(_Formatter(source_name))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = (
                "error" if record.levelno >= logging.ERROR
                else "warning" if record.levelno >= logging.WARNING
                else "info" if record.levelno >= logging.INFO
                else "debug"
            )
            self._sink(level, record.name, self.format(record))
        except Exception as error:
            # As the standard library does: a wrong argument of a log call must not fail the message.
            self._sink("warning", record.name, f"a log call failed: {type(error).__name__}: {error} ({record.msg!r:.200})")


class _Formatter(logging.Formatter):
    """The bare message, with tracebacks of the user's lines."""

    def __init__(self, source_name: str) -> None:
        super().__init__("%(message)s")
        self._source_name = source_name

    def formatException(self, ei) -> str:
        return failure.describe(ei[1], self._source_name)[2].rstrip("\n") if ei[1] is not None else ""


class LineWriter(io.TextIOBase):
    """A text stream that passes each line on as it is completed."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, sink: Sink, level: str, logger: str) -> None:
        super().__init__()
        self._sink = sink
        self._level = level
        self._logger = logger
        self._partial = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if "\n" not in text:
            self._partial += text
        else:
            *lines, rest = (self._partial + text).split("\n")
            self._partial = rest
            for line in lines:
                self._sink(self._level, self._logger, line)
        if len(self._partial) > LINE_MAX:
            self.finish()
        return len(text)

    def finish(self) -> None:
        """Passes on what was written without a line end. Plain `flush` does not: `print(..., flush=True)` may be half a line."""
        if self._partial:
            line, self._partial = self._partial, ""
            self._sink(self._level, self._logger, line)


class Output:
    """The streams of one script."""

    def __init__(self, sink: Sink) -> None:
        self._out = LineWriter(sink, "info", "stdout")
        self._err = LineWriter(sink, "warning", "stderr")

    def finish(self) -> None:
        """Called at the end of a batch, so that no output waits for the next one."""
        if self._out._partial:
            self._out.finish()
        if self._err._partial:
            self._err.finish()


def install(sink: Sink, source_name: str, debug: bool) -> Output:
    """Replaces the process's streams and the root logger's handlers. DEBUG records appear only with `debug`."""
    level = logging.DEBUG if debug else logging.INFO
    handler = HostHandler(sink, source_name)
    handler.setLevel(level)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    output = Output(sink)
    sys.stdout, sys.stderr = output._out, output._err  # type: ignore[assignment]
    return output
