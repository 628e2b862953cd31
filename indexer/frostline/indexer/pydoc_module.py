"""What one module of the library defines, documents and hands on; read from its source, which is not run."""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_PROPERTIES = {"abstractproperty", "cached_property", "deleter", "getter", "property", "setter"}


@dataclass(frozen=True, slots=True)
class Definition:
    """A module, class, function or method.

    Attributes:
        kind: one of these words.
        signature: parameters in parentheses as they are passed, without `self`; empty where unknown.
        doc: the docstring, clean; empty if there is none.
    """

    kind: str
    signature: str
    doc: str


@dataclass(slots=True)
class Module:
    """What a module defines and binds.

    Attributes:
        name: its qualified name.
        doc: its docstring.
        definitions: by name within the module: `choice`, `Random.choice`.
        imports: names bound by `from x import y as z`: z to (x, y).
        stars: modules of which everything is imported.
        aliases: names bound to other names: `choice` to `_inst.choice`.
        instances: names bound to calls: `_inst` to `Random`.
        exported: `__all__`, where it is one list of names that nothing is added to.
    """

    name: str
    doc: str = ""
    definitions: dict[str, Definition] = field(default_factory=dict[str, Definition])
    imports: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    stars: list[str] = field(default_factory=list[str])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    instances: dict[str, str] = field(default_factory=dict[str, str])
    exported: frozenset[str] | None = None

    def binds(self, name: str) -> bool:
        """Whether the module itself makes or imports a name; what stars bring is not counted."""
        return any(name in bound for bound in (self.definitions, self.imports, self.aliases, self.instances))

    def offers(self, name: str) -> bool:
        """Whether a name is for users of the module."""
        return not name.startswith("_") and (self.exported is None or name in self.exported)


def parse(name: str, source: bytes, is_package: bool) -> Module:
    """Reads the source of a module.

    Args:
        name: qualified.
        source: as it is in the file.
        is_package: whether it is a package's `__init__`.

    Raises:
        SyntaxError, ValueError: the source is no Python.
    """
    tree = ast.parse(source)
    module = Module(name, ast.get_docstring(tree) or "")
    package = name if is_package else name.rpartition(".")[0]
    for statement in _statements(tree.body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                module.definitions.setdefault(statement.name, _function(statement, "function"))
            case ast.ClassDef():
                _add_class(module, statement)
            case ast.ImportFrom():
                _add_import(module, statement, package)
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                _add_assignment(module, target, value)
            case ast.AugAssign(target=ast.Name(id="__all__")):
                module.exported = None
            case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id="__all__")))):
                module.exported = None
            case _:
                pass
    return module


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        match statement:
            case ast.If() | ast.Try():
                handlers = statement.handlers if isinstance(statement, ast.Try) else []
                for inner in (statement.body, statement.orelse, *(handler.body for handler in handlers)):
                    yield from _statements(inner)
            case ast.With():
                yield from _statements(statement.body)
            case _:
                pass


def _function(node: _Function, kind: str) -> Definition:
    arguments = node.args
    if kind == "method" and "staticmethod" not in _decorators(node):
        (arguments.posonlyargs or arguments.args)[:1] = []
    return Definition(kind, f"({ast.unparse(arguments)})", ast.get_docstring(node) or "")


def _decorators(node: _Function) -> set[str]:
    return {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}


def _add_class(module: Module, node: ast.ClassDef) -> None:
    signature = ""
    for statement in _statements(node.body):
        if isinstance(statement, _Function) and not _PROPERTIES & _decorators(statement):
            method = _function(statement, "method")
            if statement.name == "__init__":
                signature = method.signature
            elif not statement.name.startswith("_"):
                module.definitions.setdefault(f"{node.name}.{statement.name}", method)
    doc = ast.get_docstring(node) or ""
    module.definitions.setdefault(node.name, Definition("class", signature, doc))


def _add_import(module: Module, node: ast.ImportFrom, package: str) -> None:
    origin = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        origin = ".".join([*above, origin]) if origin else ".".join(above)
    for alias in node.names:
        if alias.name == "*":
            module.stars.append(origin)
        else:
            module.imports.setdefault(alias.asname or alias.name, (origin, alias.name))


def _add_assignment(module: Module, target: str, value: ast.expr) -> None:
    match value:
        case ast.Name() | ast.Attribute():
            module.aliases[target] = ast.unparse(value)
        case ast.Call(func=ast.Name(id=made)):
            module.instances[target] = made
        case ast.List() | ast.Tuple() if target == "__all__":
            names = [element.value for element in value.elts if isinstance(element, ast.Constant)]
            if len(names) == len(value.elts):
                module.exported = frozenset(map(str, names))
        case _:
            pass


def inspected(name: str, members: dict[str, object]) -> Module:
    """Describes a module that has no source by what is in it.

    Args:
        name: qualified.
        members: of the module, by name.
    """
    module = Module(name, _doc(members.get("__doc__")))
    for key in sorted(members):
        value = members.get(f"__{key}__", members[key])  # of hooks in sys that a program has replaced, the original
        if inspect.isclass(value):
            module.definitions[key] = Definition("class", _signature(value), _doc(value.__doc__))
            for inner, attribute in sorted(vars(value).items()):
                if not inner.startswith("_") and (definition := _attribute(attribute)):
                    module.definitions[f"{key}.{inner}"] = definition
        elif inspect.isroutine(value):
            module.definitions[key] = Definition("function", _signature(value), _doc(value.__doc__))
    return module


def _attribute(value: object) -> Definition | None:
    if inspect.isroutine(value) or isinstance(value, classmethod | staticmethod):
        return Definition("method", _signature(cast(object, value)), _doc(cast(object, value.__doc__)))
    return None


def _doc(value: object) -> str:
    return inspect.cleandoc(value) if isinstance(value, str) else ""


def _signature(value: object) -> str:
    # The text alone: inspect.signature would evaluate the defaults in it.
    text = getattr(value, "__text_signature__", None)
    if not isinstance(text, str):
        return ""
    without_self = re.sub(r"^\(\$\w+(, )?", "(", text)
    return re.sub(r"/, |, /(?=\))|/(?=\))", "", without_self)
