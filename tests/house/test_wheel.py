import re
import subprocess
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from trees import ROOMS, copy_project, fresh_python, project_files, succeed

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names of the files in the wheel and in the source distribution, and the wheel's path."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = copy_project(folder / "tree")
    (tree / "frostline-data").mkdir()
    (tree / "frostline-data" / "private.sqlite").write_text("")
    (tree / "client" / "frostline" / "client" / "__pycache__").mkdir()
    (tree / "client" / "frostline" / "client" / "__pycache__" / "types.cpython-311.pyc").write_text("")
    subprocess.run(["git", "init", "-q", tree], check=True)  # hatchling leaves out what .gitignore names
    python = fresh_python(folder / "venv")
    succeed([python, "-m", "pip", "install", "hatchling"], folder)
    succeed([python, "-m", "hatchling", "build", "-d", str(folder / "dist")], tree)
    (wheel,) = (folder / "dist").glob("*.whl")
    (source,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        packed = {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in archive.getnames()}
    return set(map(PurePosixPath, zipfile.ZipFile(wheel).namelist())), packed, wheel


def test_the_wheel_holds_every_room_and_nothing_else(built):
    inside, _, _ = built
    expected = {PurePosixPath(*path.parts[1:]) for path in project_files(*ROOMS) if path.parts[1] == "frostline"}
    assert {path for path in inside if path.parts[0] == "frostline"} == expected
    assert {path.parts[0] for path in inside} - {"frostline"} == {
        next(path.parts[0] for path in inside if path.parts[0].endswith(".dist-info"))
    }


def test_the_wheel_is_typed_and_carries_contract_and_generated_code(built):
    inside = {str(path) for path in built[0]}
    assert {
        "frostline/client/py.typed",
        "frostline/server/py.typed",
        "frostline/v1/py.typed",
        "frostline/v1/embedding.proto",
        "frostline/v1/embedding_pb2.py",
        "frostline/v1/embedding_pb2.pyi",
        "frostline/v1/encoder_service_pb2_grpc.py",
    } <= inside


def test_the_wheel_installs_the_command_and_its_licence(built):
    wheel = zipfile.ZipFile(built[2])
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "frostline = frostline.cli:main" in wheel.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_source_distribution_holds_the_rooms_but_no_tests_data_or_caches(built):
    _, packed, _ = built
    names = {str(path) for path in packed}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "proto/frostline/v1/embedding.proto"} <= names
    unwanted = re.compile(
        r"(^|/)(tests|benchmarks|shared|fixtures|frostline-data|__pycache__|\.venv[^/]*|\.git)(/|$)|\.pyc$"
    )
    assert [name for name in names if unwanted.search(name)] == []
