"""What the tests share: a runtime beside the interpreter that runs the tests, and records of the collector."""

import contextlib
import json
import logging
import marshal
import os
import struct
import sys
import unittest
from pathlib import Path

from granary_runtime.diagnostic import Refused
from granary_runtime.runtime import Runtime
from grnry_belt import context

SAMPLES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "belts"
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "belt-python"

LIVE = {"outputTypes": [{"name": "people", "kind": "live_segment"}, {"name": "chained", "kind": "data_in"}]}


class ScriptTest(unittest.TestCase):
    """Loads scripts and gives the process back its streams, log handlers and environment."""

    def setUp(self):
        self.logs = []
        root = logging.getLogger()
        kept = (sys.stdout, sys.stderr, root.handlers[:], root.level, dict(os.environ))

        def restore():
            sys.stdout, sys.stderr = kept[0], kept[1]
            root.handlers[:] = kept[2]
            root.setLevel(kept[3])
            os.environ.clear()
            os.environ.update(kept[4])
            context.declare(None, None)

        self.addCleanup(restore)

    def load(self, kind, source, **config):
        """A runtime with this script, and the warnings."""
        runtime = Runtime(lambda *line: self.logs.append(line))
        warnings = runtime.init(kind, source, json.dumps(config))
        return runtime, warnings

    def belt(self, source, **config):
        return self.load("belt", source, **{"beltId": 7, **LIVE, **config})[0]

    def transform(self, source):
        return self.load("transform", source)[0]

    def refusal(self, kind, source, **config):
        """The diagnostics with which a script is refused."""
        with self.assertRaises(Refused) as caught:
            self.load(kind, source, **{**LIVE, **config})
        return caught.exception.diagnostics

    def run_batch(self, runtime, *messages):
        """Outcomes of (headers, payload) pairs, updates in their long form."""
        return [long_form(outcome) for outcome in self.run_frame(runtime, *messages)]

    def run_frame(self, runtime, *messages):
        """Outcomes as they stand in the frame."""
        answer = runtime.execute(marshal.dumps([*messages], 2))
        outcomes = marshal.loads(answer)
        # The items are written one by one; the frame must be what `marshal` writes for the whole.
        with contextlib.suppress(ValueError):
            self.assertEqual(answer, marshal.dumps(outcomes, 2))
        self.assertEqual(len(outcomes), len(messages))
        return outcomes

    def run_one(self, runtime, payload=None, headers=None):
        [outcome] = self.run_batch(runtime, ({} if headers is None else headers, payload))
        return outcome


def long_form(outcome):
    if not isinstance(outcome, list):
        return outcome
    short = lambda form: isinstance(form, tuple) and isinstance(form[0], dict)
    return [("d", form[1], form[0]["id"], form[0]) if short(form) else form for form in outcome]


def text_field(id, text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"\x0b" + struct.pack(">hi", id, len(data)) + data


def record(body=None, querystring=None, headers=("Host: h", "application/json"), timestamp=1584708855528):
    """A record of the collector in the Thrift binary protocol."""
    parts = [text_field(100, "127.0.0.1")]
    if timestamp is not None:
        parts.append(b"\x0a" + struct.pack(">hq", 200, timestamp))
    parts += [text_field(210, "UTF-8"), text_field(220, "ssc-0.15.0-kafka"), text_field(320, "/com.snowplow/tp2")]
    if querystring is not None:
        parts.append(text_field(330, querystring))
    if body is not None:
        parts.append(text_field(340, body))
    if headers is not None:
        items = b"".join(struct.pack(">i", len(h)) + h.encode() for h in headers)
        parts.append(b"\x0f" + struct.pack(">hBi", 350, 11, len(headers)) + items)
    parts += [text_field(31337, "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"), b"\0"]
    return b"".join(parts)
