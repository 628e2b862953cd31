"""Gathers what the standard library of the Python that runs documents.

Python source is parsed, not run. Only modules without source (built in, or C extensions) are imported.
"""

import importlib
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from frostline.indexer.pydoc_module import Module, inspected, parse
from frostline.indexer.pydoc_names import Documented, documented

_LEFT_OUT = frozenset(
    (
        *("test", "tests", "site-packages"),  # no part of the library's documentation
        *("antigravity", "this", "__phello__", "idlelib", "turtledemo"),  # jokes and programs
        *("distutils", "lib2to3"),  # gone since Python 3.12 and 3.13
    )
)
# Tests, a window system, and one that writes to the terminal when it is imported.
_NOT_IMPORTED = ("_ctypes_test", "_test", "_tkinter", "_xx", "readline", "xx")


def library() -> list[Documented]:
    """Gathers the documentation of the Python that runs.

    Returns:
        Entries sorted by name, each name once; the same for the same installation.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    sources = {module.name: module for module in _parsed(folder)}
    compiled = {module.name: module for module in _imported(_compiled_names(folder)) if module.name not in sources}
    return documented(sources, compiled)


def _parsed(folder: Path) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        parts = parts[:-1] if is_package else parts
        if not parts or parts[0] not in sys.stdlib_module_names or not _LEFT_OUT.isdisjoint(parts):
            continue
        if parts[-1] == "__main__":
            continue
        try:
            yield parse(".".join(parts), path.read_bytes(), is_package)
        except (OSError, SyntaxError, ValueError):
            continue  # files of lib2to3 and other templates are no Python 3


def _compiled_names(folder: Path) -> Iterator[str]:
    yield from sys.builtin_module_names
    for suffix in EXTENSION_SUFFIXES:
        for path in (folder / "lib-dynload").glob(f"*{suffix}"):
            yield path.name.removesuffix(suffix)


def _imported(names: Iterator[str]) -> Iterator[Module]:
    for name in sorted(set(names)):
        if name.startswith(_NOT_IMPORTED):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                module = importlib.import_module(name)
        except ImportError:
            continue  # its C library is not installed
        yield inspected(name, vars(module))
