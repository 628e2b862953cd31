import os
import subprocess
import sys
import tomllib
from pathlib import Path

import importlinter
import pytest

from trees import ROOMS, ROOT, copy_project

VIOLATIONS = {
    "Rooms import downwards; client and server never each other": [
        ("client/frostline/client/errors.py", "import frostline.server.errors"),
        ("client/frostline/client/errors.py", "import frostline.indexer"),
        ("proto/frostline/wire/reasons.py", "def later():\n    import frostline.client"),
    ],
    "Inside the server, imports go down to the encoders": [
        ("server/frostline/server/encoders/space.py", "import frostline.server.collections"),
        ("server/frostline/server/batching/policy.py", "import frostline.server.collections"),
        ("server/frostline/server/collections/__init__.py", "import frostline.server.api"),
    ],
    "Inside the collections, search stands on segments, segments on rows": [
        ("server/frostline/server/collections/rows/commit.py", "import frostline.server.collections.segments.state"),
        (
            "server/frostline/server/collections/filters/stored.py",
            "from frostline.server.collections.rows import ledger",
        ),
    ],
    "From outside, only the command serve reaches into the server": [
        ("indexer/frostline/indexer/__init__.py", "import frostline.server.errors"),
        ("client/frostline/cli/__init__.py", "def later():\n    import frostline.server.errors"),
    ],
    "Only app knows the settings": [
        ("server/frostline/server/encoders/space.py", "import frostline.server.settings"),
    ],
    "Nothing below api knows gRPC or its messages": [
        ("server/frostline/server/errors.py", "import grpc"),
        ("server/frostline/server/collections/__init__.py", "import frostline.wire.tensors"),
        ("server/frostline/server/batching/policy.py", "from frostline.v1 import embedding_pb2"),
        ("server/frostline/server/encoders/space.py", "from grpc_health.v1 import health_pb2"),
    ],
    "Only session.py knows onnxruntime": [
        ("server/frostline/server/encoders/space.py", "import onnxruntime"),
        ("server/frostline/server/batching/policy.py", "from onnxruntime import InferenceSession"),
    ],
    "Only device.py, exact.py and vector_index.py know faiss": [
        ("server/frostline/server/collections/__init__.py", "def later():\n    import faiss"),
        ("server/frostline/server/collections/vectors/tail.py", "import faiss"),
        ("server/frostline/server/collections/vectors/segment.py", "from faiss import read_index"),
        ("server/frostline/server/app.py", "import faiss"),
    ],
    "Only recipes, and baselines to compare with them, know scikit-learn": [
        ("server/frostline/server/heads/store.py", "import sklearn.linear_model"),
        ("server/frostline/server/heads/fitting.py", "def later():\n    import sklearn"),
    ],
    "The indexer and the command line speak through the client": [
        ("client/frostline/cli/__init__.py", "import grpc"),
        ("indexer/frostline/indexer/__init__.py", "import frostline.v1"),
    ],
    "The client is light": [
        ("client/frostline/client/errors.py", "import pydantic"),
        ("proto/frostline/wire/tensors.py", "def later():\n    import torch"),
    ],
}
# -S keeps the editable installation out: only the copied tree counts.
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("layers"), *ROOMS, "pyproject.toml")


def lint(tree):
    """Runs import-linter over a copied tree; returns the exit code and what it printed."""
    site_packages = Path(importlinter.__file__).parents[1]
    path = os.pathsep.join(map(str, [*(tree / room for room in ROOMS), site_packages]))
    result = subprocess.run(
        [sys.executable, "-S", "-c", LINT],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    return result.returncode, result.stdout + result.stderr


def test_the_tree_keeps_its_layers(tree):
    code, output = lint(tree)
    assert code == 0, output


def test_every_contract_has_a_planted_violation():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {contract["name"] for contract in config["tool"]["importlinter"]["contracts"]} == VIOLATIONS.keys()


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [
        pytest.param(contract, file, line, marks=[pytest.mark.full] * (number > 0))
        for contract, planted in VIOLATIONS.items()
        for number, (file, line) in enumerate(planted)
    ],
)
def test_a_planted_violation_breaks_its_contract(tree, contract, file, line):
    path = tree / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        code, output = lint(tree)
    finally:
        path.write_text(before)
    assert code != 0
    assert f"{contract} BROKEN" in output


def test_a_new_server_room_must_be_given_its_place(tree):
    room = tree / "server" / "frostline" / "server" / "annex.py"
    room.write_text('"""A room without a place."""\n')
    try:
        code, output = lint(tree)
    finally:
        room.unlink()
    assert code != 0
    assert "frostline.server.annex" in output
