"""Copies of the project, and clean places to install and run them, for tests of the whole."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("proto", "client", "indexer", "server")


def project_files(*under: str) -> list[Path]:
    """Files of the working tree below the given paths, relative to the root: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *under],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = {Path(name) for name in listed.stdout.split("\0") if name}
    return sorted(name for name in names if (ROOT / name).is_file())


def copy_project(into: Path, *under: str) -> Path:
    """Copies the working tree, or parts of it, as a fresh clone would have it; returns `into`."""
    for name in project_files(*under):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, into / name)
    return into


def clean_environment(**variables: str) -> dict[str, str]:
    """The process's environment without what names this Python, these settings or this make, plus `variables`."""
    ours = ("FROSTLINE_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables


def fresh_python(folder: Path) -> Path:
    """Creates an empty virtual environment; returns its Python."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([base, "-m", "venv", folder], check=True, env=clean_environment())
    return folder / "bin" / "python"


def succeed(command: Sequence[str | Path], cwd: Path, **variables: str) -> str:
    """Runs a command in a clean environment; returns its output, and fails the test with it on another exit code."""
    result = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}"
    return result.stdout


def free_port() -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
