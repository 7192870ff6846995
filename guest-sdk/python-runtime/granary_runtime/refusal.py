"""What a sandboxed script cannot do, and errors that say so.

The host grants nothing anyway. This module only turns the odd errors of an interpreter without an operating system
into sentences. Two layers: the script's own `import` statements are refused for modules that are of no use to it;
and the entry points of the standard library fail, for scripts that get at them on another way (`urllib.request`).
"""

from __future__ import annotations

import builtins
from typing import Any, Callable, Dict

NETWORK = "has no network sockets (a belt's 'requests' reach the hosts of its 'outboundHosts')"
PROCESSES = "cannot start processes"
THREADS = "cannot start threads"
FILES = "has no file system"
NATIVE = "cannot load native libraries"

_MODULES: Dict[str, str] = {
    "socket": NETWORK, "_socket": NETWORK, "ssl": NETWORK, "_ssl": NETWORK, "socketserver": NETWORK,
    "urllib3": NETWORK, "httpx": NETWORK, "aiohttp": NETWORK,
    "psycopg2": NETWORK, "psycopg": NETWORK, "kafka": NETWORK, "redis": NETWORK, "boto3": NETWORK,
    "subprocess": PROCESSES, "multiprocessing": PROCESSES, "_posixsubprocess": PROCESSES,
    "ctypes": NATIVE, "_ctypes": NATIVE, "cffi": NATIVE,
}  # fmt: skip

_FILE_CALLS = (
    "open", "listdir", "scandir", "mkdir", "makedirs", "remove", "unlink", "rename", "replace", "rmdir",
    "removedirs", "symlink", "link", "truncate", "chmod", "utime",
)  # fmt: skip


def importer(kind: str) -> Callable[..., Any]:
    """The `__import__` of a script: as the real one, but refusals and missing modules are explained."""
    real = builtins.__import__
    own = " and the packages that its requirementsPy names" if kind == "belt" else ""

    def __import__(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        top = name.partition(".")[0]
        reason = _MODULES.get(top) if level == 0 else None
        if reason is not None:
            raise ImportError(f"a {kind} {reason}: '{name}' cannot be imported", name=name)
        try:
            return real(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            if error.name != top:
                raise
            raise ModuleNotFoundError(
                f"no module named '{top}'; a {kind} can import Python's standard library, grnry_belt, "
                f"grnry_transform, isodate, requests{own}",
                name=top,
            ) from None

    return __import__


def script_builtins(kind: str) -> Dict[str, Any]:
    """The built-in names of a script."""
    return {**vars(builtins), "__import__": importer(kind)}


def install(kind: str) -> None:
    """Makes the entry points of the standard library fail with a sentence. Only inside the component."""
    import _thread
    import io
    import os
    import socket
    import subprocess
    import threading
    import urllib.request

    def no_file(*arguments: Any, **named: Any) -> Any:
        name = f": '{arguments[0]!s:.200}' cannot be reached" if arguments else ""
        raise PermissionError(f"a {kind} {FILES}{name}")

    builtins.open = io.open = no_file  # type: ignore[assignment]
    for name in _FILE_CALLS:
        if hasattr(os, name):
            setattr(os, name, no_file)

    def no_network(*arguments: Any, **named: Any) -> Any:
        raise PermissionError(f"a {kind} {NETWORK}")

    socket.socket.__init__ = no_network  # type: ignore[method-assign,assignment]
    urllib.request.OpenerDirector.open = no_network  # type: ignore[method-assign,assignment]
    for name in ("create_connection", "create_server", "socketpair", "getaddrinfo", "gethostbyname", "gethostbyaddr"):
        setattr(socket, name, no_network)

    def no_process(*arguments: Any, **named: Any) -> Any:
        raise PermissionError(f"a {kind} {PROCESSES}")

    subprocess.Popen.__init__ = no_process  # type: ignore[method-assign,assignment]
    os.system = os.popen = no_process  # type: ignore[assignment]

    def no_thread(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError(f"a {kind} {THREADS}: do the work in execute itself")

    for module in (_thread, threading):
        for name in ("start_new_thread", "start_joinable_thread", "_start_new_thread", "_start_joinable_thread"):
            if hasattr(module, name):
                setattr(module, name, no_thread)
