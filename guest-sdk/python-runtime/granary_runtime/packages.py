"""Imports the packages of a script from an archive in memory: a component has no files.

The archive is a zip whose root is a folder of `sys.path`. Beside modules it gives packages what they expect of an
installation: their data files (`pkgutil.get_data`, `importlib.resources`) and their versions (`importlib.metadata`).
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import io
import sys
import zipfile
from types import CodeType
from typing import Any, Iterator, Optional, Tuple

#: Stands in front of file names, in tracebacks and in `__file__`.
ROOT = "<packages>/"


class Packages(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the modules of an archive."""

    def __init__(self, archive: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(archive))
        names = self._archive.namelist()
        self._files = frozenset(names)
        self._folders = frozenset(name[:at] for name in names for at, c in enumerate(name) if c == "/")

    def find_spec(self, name: str, path: object = None, target: object = None) -> Optional[importlib.machinery.ModuleSpec]:
        place = name.replace(".", "/")
        file, is_package = self._file(name)
        if file in self._files:
            spec = importlib.util.spec_from_loader(name, self, origin=ROOT + file, is_package=is_package)
            if spec is not None:
                spec.has_location = True
                if is_package:
                    spec.submodule_search_locations = [ROOT + place]
            return spec
        if place in self._folders:
            # Several distributions may share such a folder; here they lie in one already.
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [ROOT + place]
            return spec
        return None

    def is_package(self, name: str) -> bool:
        return self._file(name)[1]

    def get_source(self, name: str) -> str:
        return importlib.util.decode_source(self._archive.read(self._file(name)[0]))

    def get_code(self, name: str) -> CodeType:
        file = self._file(name)[0]
        return compile(self._archive.read(file), ROOT + file, "exec", dont_inherit=True)

    def get_filename(self, name: str) -> str:
        """The file of a module, as its `__file__` shows it."""
        return ROOT + self._file(name)[0]

    def get_data(self, path: str) -> bytes:
        """A file beside a module, for `pkgutil.get_data`."""
        try:
            return self._archive.read(path[len(ROOT) :] if path.startswith(ROOT) else path)
        except KeyError:
            raise FileNotFoundError(f"no file {path} in the packages of the script") from None

    def get_resource_reader(self, name: str) -> "_Resources":
        """The files of a package, for `importlib.resources`."""
        return _Resources(zipfile.Path(self._archive, name.replace(".", "/") + "/"))

    def find_distributions(self, context: Any) -> Iterator[Any]:
        """What is installed, for `importlib.metadata`, which asks; so it is loaded already."""
        from importlib.metadata import PathDistribution

        for folder in sorted(self._folders):
            project, _, ending = folder.partition("-")
            if "/" not in folder and ending.endswith(".dist-info"):
                if context.name is None or _plain(project) == _plain(context.name):
                    yield PathDistribution(zipfile.Path(self._archive, folder + "/"))  # type: ignore[arg-type]

    def _file(self, name: str) -> Tuple[str, bool]:
        place = name.replace(".", "/")
        package = place + "/__init__.py"
        return (package, True) if package in self._files else (place + ".py", False)


def install(archive: bytes) -> None:
    """Makes an archive importable, behind everything that the runtime carries."""
    sys.meta_path.append(Packages(archive))


def _plain(project: str) -> str:
    """The name of a project, however it is spelt."""
    return project.lower().replace("-", "_").replace(".", "_")


class _Resources:
    """A reader of resources as `importlib.resources` wants it."""

    def __init__(self, folder: zipfile.Path) -> None:
        self._folder = folder

    def files(self) -> zipfile.Path:
        return self._folder
