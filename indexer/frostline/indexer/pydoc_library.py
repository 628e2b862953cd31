"""Finds what the standard library documents, and by which public name each thing is used.

Rule 1: Python source is parsed, not run. Only modules without source (built in, or C extensions) are imported.
Rule 2: each thing has one name: the shortest by which its own module, a package around it or, where its module is
    private (`_random`, `concurrent.futures._base`), a public module offers it.
Rule 3: where a thing is there twice, in Python and in C, the Python source wins.
"""

import importlib
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from frostline.indexer.pydoc_module import Definition, Module, inspected, parse

_LEFT_OUT = frozenset({"__main__", "antigravity", "idlelib", "site-packages", "this", "turtledemo"})
_TESTS = frozenset({"test", "tests"})
# Built with tests or a window system, or changes the terminal when it is imported.
_NOT_IMPORTED = ("_test", "_xx", "xx", "_ctypes_test", "_tkinter", "readline")
_HOMES = {"posix": "os", "posixpath": "os.path", "genericpath": "os.path", "_pydatetime": "datetime"}
_BUILTINS = "builtins"


@dataclass(frozen=True, slots=True)
class Documented:
    """One entry of the documentation.

    Attributes:
        name: by which it is used: `random.choice`, `list.sort`.
        kind: module, class, function, method or property.
        module: the first part of the name that is a module; `builtins` for `list.sort`.
        signature: parameters in parentheses; empty where unknown.
        doc: the docstring, not empty.
    """

    name: str
    kind: str
    module: str
    signature: str
    doc: str


def library() -> list[Documented]:
    """Gathers the documentation of the Python that runs.

    Returns:
        Entries sorted by name, each name once; the same for the same installation.
    """
    sources = dict(_sources(Path(sysconfig.get_paths()["stdlib"])))
    modules = sources | {name: found for name, found in _compiled() if name not in sources}
    found: dict[str, Documented] = {}
    for module in sorted(modules.values(), key=lambda module: (module.name not in sources, module.name)):
        for entry in _Naming(modules).entries(module):
            found.setdefault(entry.name, entry)
    return [found[name] for name in sorted(found)]
