import json
import subprocess

import pytest

from trees import clean_environment, copy_project, fresh_python, succeed

pytestmark = pytest.mark.full

HEAVY_DISTRIBUTIONS = {"onnxruntime", "faiss-cpu", "scikit-learn", "pillow", "typer", "rich", "pydantic", "pyarrow"}
HEAVY_MODULES = ("onnxruntime", "faiss", "sklearn", "PIL", "typer", "rich", "pydantic", "pyarrow", "frostline.server")
IMPORT = f"""
import sys
from frostline.client import AsyncClient, Client
import frostline.cli
print([name for name in {HEAVY_MODULES} if name in sys.modules])
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """The Python of an empty environment after `pip install .`, and the folder it was installed from."""
    folder = tmp_path_factory.mktemp("light")
    tree = copy_project(folder / "tree")
    python = fresh_python(folder / "venv")
    succeed([python, "-m", "pip", "install", "-c", "constraints.txt", "."], tree)
    return python, folder


def test_the_light_install_brings_nothing_heavy(light):
    python, folder = light
    listed = json.loads(
        succeed([python, "-m", "pip", "list", "--disable-pip-version-check", "--format", "json"], folder)
    )
    names = {entry["name"].lower().replace("_", "-") for entry in listed}
    assert {"frostline", "grpcio", "protobuf", "numpy"} <= names
    assert not names & HEAVY_DISTRIBUTIONS
    assert names <= {"frostline", "grpcio", "protobuf", "numpy", "typing-extensions", "pip", "setuptools"}


def test_the_light_client_loads_nothing_heavy(light):
    python, folder = light
    assert succeed([python, "-c", IMPORT], folder).strip() == "[]"


@pytest.mark.parametrize("arguments", [["--version"], [], ["search", "notes", "x"]])
def test_the_command_says_in_one_line_what_to_install(light, arguments):
    python, folder = light
    result = subprocess.run(
        [python.with_name("frostline"), *arguments], cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert "frostline[cli]" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
