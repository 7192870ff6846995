"""Carries the standard library inside the component.

A component has no files, so a module that was not imported while the component was made would be missing. The
library is compiled then, kept compressed, and imported on demand: code without use costs no time and little memory.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import marshal
import os
import sys
import zlib
from types import CodeType, ModuleType
from typing import Dict, Optional, Tuple

#: Parts that make no sense without a screen, a compiler or a package index.
_LEFT_OUT = {
    "__pycache__", "config-3.14-wasm32-wasi", "ensurepip", "idlelib", "lib-dynload", "pydoc_data", "site-packages",
    "test", "tests", "tkinter", "turtledemo", "venv",
}  # fmt: skip

#: Module name to (is a package, compressed code).
_modules: Dict[str, Tuple[bool, bytes]] = {}


class Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the carried modules."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Optional[importlib.machinery.ModuleSpec]:
        carried = _modules.get(name)
        if carried is None:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=carried[0])

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def is_package(self, name: str) -> bool:
        return _modules[name][0]

    def get_code(self, name: str) -> CodeType:
        return marshal.loads(zlib.decompress(_modules[name][1]))

    def get_source(self, name: str) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)


def carry() -> None:
    """Takes the library in. Called once, while the component is made and the files are there."""
    root = os.path.dirname(os.path.dirname(json.__file__))
    _walk(root, "")
    if "csv" not in _modules:
        raise RuntimeError(f"no standard library under {root}")
    sys.meta_path.append(Finder())
    sys.dont_write_bytecode = True


def only_carried() -> None:
    """Stops looking for files, of which there are none: a missing module is reported at once."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not importlib.machinery.PathFinder]


def _walk(folder: str, prefix: str) -> None:
    for entry in sorted(os.listdir(folder)):
        path = f"{folder}/{entry}"
        if entry.endswith(".py"):
            package = entry == "__init__.py"
            name = prefix[:-1] if package else prefix + entry[:-3]
            if name:
                _take(name, path, package)
        elif entry not in _LEFT_OUT and "." not in entry and os.path.exists(path + "/__init__.py"):
            _walk(path, f"{prefix}{entry}.")


def _take(name: str, path: str, package: bool) -> None:
    with open(path, "rb") as file:
        text = file.read()
    # Without docstrings, which nothing shows; assertions of the library go with them.
    code = compile(text, f"<stdlib>/{name.replace('.', '/')}.py", "exec", dont_inherit=True, optimize=2)
    _modules[name] = (package, zlib.compress(marshal.dumps(code), 6))
