"""The generated code is what the .proto files say; a generator of its own environment compares."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"


@pytest.fixture
def generator() -> Path:
    named = os.environ.get("FROSTLINE_PROTO_PYTHON")
    python = Path(named) if named else PROTO.parent / ".venv-proto" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no code generator: {python} is missing; `make proto` makes it")
    return python


def check(generator: Path, proto: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([generator, proto / "generate.py", "--check"], capture_output=True, text=True)


def test_generated_code_has_not_drifted(generator):
    result = check(generator, PROTO)
    assert result.returncode == 0, result.stderr


def test_a_changed_proto_is_noticed(generator, tmp_path):
    proto = tmp_path / "proto"
    shutil.copytree(PROTO, proto, ignore=shutil.ignore_patterns("__pycache__"))
    error = proto / "frostline" / "v1" / "error.proto"
    error.write_text(error.read_text().replace("string log_id = 3;", "string log_id = 4;"))
    result = check(generator, proto)
    assert result.returncode == 1
    assert "error_pb2.py" in result.stderr
