import ast
from pathlib import Path

import pytest

import frostline.client
from frostline.client import (
    comparisons,
    errors,
    findings,
    groups,
    heads,
    predictions,
    queries,
    recommendations,
    resources,
    stats,
    transfer,
    types,
)

PUBLIC = (
    types,
    queries,
    recommendations,
    resources,
    stats,
    heads,
    predictions,
    groups,
    comparisons,
    transfer,
    findings,
    errors,
)
ROOM = Path(frostline.client.__file__).parent


def defined_in(module) -> set[str]:
    tree = ast.parse(Path(module.__file__).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    names |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    return {name for name in names if not name.startswith("_")}


def test_what_is_exported_is_what_is_public():
    doors = {"Client", "AsyncClient", "Retry", "Progress", "HeadProgress"}
    public = doors.union(*map(defined_in, PUBLIC))
    assert set(frostline.client.__all__) == public


def test_exports_are_sorted_and_exist():
    assert frostline.client.__all__ == sorted(frostline.client.__all__)
    assert all(hasattr(frostline.client, name) for name in frostline.client.__all__)


def test_the_drawn_tree_of_errors_is_the_tree():
    lines = [line.partition("+-- ") for line in errors.__doc__.splitlines() if "+-- " in line]
    parents = {0: "FrostlineError"}
    drawn = {}
    for left, _, text in lines:
        depth = 1 if len(left) < 8 else 2
        parents[depth] = text.split()[0]
        drawn[text.split()[0]] = parents[depth - 1]
    real = {
        name: kind.__bases__[0].__name__
        for name in defined_in(errors) - {"FrostlineError"}
        if issubclass(kind := getattr(errors, name), Exception)
    }
    assert drawn == real


def test_both_clients_have_the_same_methods():
    def methods(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert methods(frostline.client.Client) == methods(frostline.client.AsyncClient)


@pytest.mark.parametrize("module", sorted(path.stem for path in ROOM.glob("*.py")))
def test_every_other_module_is_private(module):
    assert module.startswith("_") or f"frostline.client.{module}" in {each.__name__ for each in PUBLIC}
