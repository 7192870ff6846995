"""The runtime: one script per instance, batches in, batches out. The frame is described in `FRAME.md`."""

from __future__ import annotations

import gc
import json
import marshal
import os
import random
from typing import List, Optional, Union

from granary_runtime import belt, failure, logs, packages, refusal, transform
from granary_runtime.diagnostic import Diagnostic, refuse
from granary_runtime.source import NAMES, Source
from grnry_belt import context

_loads, _dumps = marshal.loads, marshal.dumps


class Runtime:
    """Loads one script and runs it on batches. `log` takes level, logger and message."""

    def __init__(self, log: logs.Sink) -> None:
        self._log = log
        self._script: Optional[Union[belt.Belt, transform.Transform]] = None
        self._source_name = ""
        self._output: Optional[logs.Output] = None

    def init(self, kind: str, source: str, config: str, archive: bytes = b"", sandboxed: bool = False) -> List[Diagnostic]:
        """Loads a script and answers warnings. Raises `Refused` with what is wrong.

        `archive` holds what it can import beside what the runtime carries; it may be empty.
        `sandboxed` replaces what the sandbox cannot do in the whole interpreter: never outside the component.
        """
        # The generator's state is part of the component's image, the same in every instance.
        random.seed()
        if kind not in NAMES:
            raise ValueError(f"unknown kind of script {kind!r}, expected belt or transform")
        text = Source(kind, source)
        try:
            settings = json.loads(config or "{}")
        except ValueError as error:
            refuse(f"the configuration is not JSON: {error}", text)
        if not isinstance(settings, dict):
            refuse(f"the configuration must be an object, got {type(settings).__name__}", text)
        self._source_name = context.source_name = text.name
        self._output = logs.install(self._log, text.name, bool(settings.get("debug")))
        os.environ.update({str(k): str(v) for k, v in (settings.get("env") or {}).items() if v is not None})
        if archive:
            packages.install(archive)
        if sandboxed:
            refusal.install(kind)
        try:
            if kind == "belt":
                self._script, warnings = belt.load(text, settings)
            else:
                self._script, warnings = transform.load(text)
        finally:
            self._output.finish()
        if sandboxed:
            # What the script loaded stays, and no collection need look at it.
            gc.freeze()
        return warnings

    def execute(self, batch: bytes) -> bytes:
        """Runs the script on each message of a batch. Raises `ValueError` when the frame is not understood."""
        script = self._script
        if script is None or self._output is None:
            raise ValueError("init was not called, or refused the script")
        try:
            messages = _loads(batch)
        except (EOFError, TypeError, ValueError) as error:
            raise ValueError(f"the frame is not marshal data: {error}") from None
        if type(messages) is not list:
            raise ValueError(f"the frame must be a list, got {type(messages).__name__}")
        run = script.run
        # A list in marshal format 2 is its length followed by its items: they are written one by one.
        parts = [b"[" + len(messages).to_bytes(4, "little")]
        add = parts.append
        try:
            for headers, payload in messages:
                try:
                    add(run(headers, payload))
                except BaseException as error:
                    add(_dumps(failure.outcome(error, self._source_name), 2))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the frame must hold pairs of headers and payload: {error}") from None
        finally:
            self._output.finish()
        return b"".join(parts)
