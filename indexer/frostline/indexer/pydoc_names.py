"""Finds the public name by which each thing in the library is used.

Rule 1: a thing has one name: the shortest by which its own module or a package around it offers it, or, where its own
module is private (`_random`, `concurrent.futures._base`), any public module. A method of a module's own hidden
instance is a function: `random.choice`.
Rule 2: the members of a C module `_x` belong to the module `x` where that has the name, with or without underscore:
`_io._IOBase.readline` is `io.IOBase.readline`.
Rule 3: where a name is there twice, in Python and in C, the Python source wins.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from frostline.indexer.pydoc_module import Definition, Module

_PRIVATE = frozenset({"genericpath", "nt", "posix", "sre_compile", "sre_constants", "sre_parse"})
_RENAMED = {"_collections_abc": "collections.abc", "posixpath": "os.path"}
_BUILTINS = "builtins"

_Origin = tuple[str, str]
"""A module and a name it defines."""


@dataclass(frozen=True, slots=True)
class Documented:
    """One entry of the documentation.

    Attributes:
        name: by which it is used: `random.choice`, `list.sort`.
        kind: module, class, function or method.
        module: which the name is in; `builtins` for `list.sort`.
        signature: parameters in parentheses; empty where unknown.
        doc: the docstring, not empty.
    """

    name: str
    kind: str
    module: str
    signature: str
    doc: str


def documented(sources: Mapping[str, Module], compiled: Mapping[str, Module]) -> list[Documented]:
    """Names all that has a docstring.

    Args:
        sources: modules in Python, by name.
        compiled: modules without source, by name.

    Returns:
        Entries sorted by name, each name once.
    """
    homes = _Homes({**sources, **compiled})
    found: dict[str, Documented] = {}
    for modules in (sources, compiled):
        for name in sorted(modules):
            for entry in _entries(modules[name], homes):
                found.setdefault(entry.name, entry)
    for module in sources.values():
        _rename_bound_methods(module, found)
    return [found[name] for name in sorted(found)]


def _entries(module: Module, homes: "_Homes") -> Iterator[Documented]:
    shown = _RENAMED.get(module.name, module.name)
    if module.doc and not _is_private(module.name):
        yield Documented(shown, "module", shown, "", module.doc)
    for name, definition in module.definitions.items():
        first, _, rest = name.partition(".")
        if definition.doc and (home := homes.of(module.name, first)):
            yield _entry(*home, rest, definition)


def _entry(module: str, name: str, rest: str, definition: Definition) -> Documented:
    module = _RENAMED.get(module, module)
    parts = (() if module == _BUILTINS else (module,)) + ((name, rest) if rest else (name,))
    return Documented(".".join(parts), definition.kind, module, definition.signature, definition.doc)


def _rename_bound_methods(module: Module, found: dict[str, Documented]) -> None:
    # `choice = _inst.choice` after `_inst = Random()`: random.choice is how one uses random.Random.choice.
    for name, target in module.aliases.items():
        instance, _, method = target.partition(".")
        entry = found.get(f"{module.name}.{module.instances.get(instance)}.{method}")
        short = f"{module.name}.{name}"
        if entry and module.offers(name) and short not in found:
            del found[entry.name]
            found[short] = replace(entry, name=short, kind="function")


def _is_private(module: str) -> bool:
    hidden = module in _PRIVATE or any(part.startswith("_") for part in module.split("."))
    return hidden and module not in _RENAMED


def _hands_on(module: Module, name: str, origin: _Origin) -> bool:
    if name not in module.imports or f"{origin[0]}.".startswith(f"{module.name}."):
        return module.offers(name)
    # Without `__all__` nobody knows whether an import is for users or for the module itself.
    return module.exported is not None and name in module.exported


class _Homes:
    """Where each thing is at home."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self._modules = modules
        self._exports: dict[str, dict[str, _Origin]] = {}
        self._offers: defaultdict[_Origin, list[_Origin]] = defaultdict(list)
        for name in sorted(modules):
            if not _is_private(name):
                for key, origin in self._exported(name).items():
                    if _hands_on(modules[name], key, origin):
                        self._offers[origin].append((name, key))

    def of(self, module: str, name: str) -> _Origin | None:
        """The public module and name of what a module defines; None if it is not public."""
        if not _is_private(module):
            around = [home for home in self._offers[module, name] if f"{module}.".startswith(f"{home[0]}.")]
            return min(around, key=lambda home: home[0].count("."), default=None)
        if twin := self._twin(module, name):
            return twin
        return min(self._offers[module, name], key=lambda home: (home[0].count("."), home), default=None)

    def _twin(self, module: str, name: str) -> _Origin | None:
        twin = module.removeprefix("_").removeprefix("py")
        public = name.removeprefix("_")
        if _is_private(twin) or twin not in self._modules or not self._modules[twin].offers(public):
            return None
        return (twin, public) if public in self._exported(twin) or self._modules[twin].binds(public) else None

    def _exported(self, name: str) -> dict[str, _Origin]:
        if name in self._exports or name not in self._modules:
            return self._exports.get(name, {})
        module = self._modules[name]
        found = self._exports[name] = {}  # already there for modules that import each other
        for star in module.stars:
            for key, origin in self._exported(star).items():
                if self._modules[star].offers(key):
                    found[key] = origin
        for key, (other, imported) in module.imports.items():
            if imported in (theirs := self._exported(other)):
                found[key] = theirs[imported]
        found.update({key: (name, key) for key in module.definitions if "." not in key})
        return found
