"""The component: the world `script` of `wit/script.wit` over `granary_runtime`, which knows nothing of WebAssembly."""

import gc

from granary_runtime import stdlib

stdlib.carry()

from componentize_py_types import Err
from granary_runtime import preload
from granary_runtime.diagnostic import Refused
from granary_runtime.runtime import Runtime as Core
from grnry_belt import metrics
from wit_world.exports.runtime import Diagnostic
from requests import transport
from wit_world.imports import host

_LEVELS = {
    "debug": host.Level.DEBUG,
    "info": host.Level.INFO,
    "warning": host.Level.WARNING,
    "error": host.Level.ERROR,
}


def _log(level, logger, message):
    # The contract carries Unicode; a script may log anything that Python calls text.
    message = message.encode("utf-8", "backslashreplace").decode("utf-8")
    host.log(_LEVELS[level], logger.encode("utf-8", "backslashreplace").decode("utf-8"), message)


_CASES = {
    host.HttpError_NotGranted: "not-granted",
    host.HttpError_InvalidRequest: "invalid-request",
    host.HttpError_Failed: "failed",
    host.HttpError_TimedOut: "timed-out",
    host.HttpError_TooLarge: "too-large",
}


def _send(method, url, headers, body, timeout_ms):
    try:
        answer = host.send(host.Request(method, url, headers, body, timeout_ms))
    except Err as error:
        raise transport.Refused(_CASES[type(error.value)], error.value.value) from None
    return answer.status, answer.headers, answer.body


_KINDS = {
    "counter": host.FigureKind.COUNTER,
    "gauge": host.FigureKind.GAUGE,
    "histogram": host.FigureKind.HISTOGRAM,
}


def _figure(kind, name, value, labels):
    host.figure(_KINDS[kind], name, value, labels)


transport.install(_send)
metrics.install(_figure)
_core = Core(_log)
preload.load()
# What is loaded here is in every instance and stays: no collection of an instance need look at it.
gc.collect()
gc.freeze()


class Runtime:
    """The exported interface. One instance of the component runs one script."""

    def init(self, kind, source, config, packages):
        stdlib.only_carried()
        try:
            return [Diagnostic(*diagnostic) for diagnostic in _core.init(kind, source, config, packages, sandboxed=True)]
        except Refused as refused:
            raise Err([Diagnostic(*diagnostic) for diagnostic in refused.diagnostics]) from None

    def execute(self, batch):
        try:
            host.answer_text(_core.execute(batch).decode("latin-1"))
        except ValueError as error:
            raise Err(str(error)) from None
