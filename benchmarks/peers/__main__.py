"""Makes the environment of each peer: `cd benchmarks && python -m peers [NAME ...]`."""

import subprocess
import sys
from pathlib import Path

from . import NAMES
from .peer import ENVIRONMENTS

LIBRARIES = ("lightfm",)
"""Peers that serve nothing: they are not driven, but run scripts of their own (`lightfm_cold.py`)."""


def install(name: str) -> None:
    """Makes `.venv-peers/NAME` unless it was made from the same requirements."""
    requirements = Path(__file__).parent / f"requirements-{name}.txt"
    build = requirements.with_name(f"requirements-{name}-build.txt")
    wanted = b"".join(file.read_bytes() for file in (build, requirements) if file.exists())
    environment = ENVIRONMENTS / name
    stamp = environment / ".installed"  # comes last, so that an interrupted installation is done again
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    pip = [str(environment / "bin" / "pip"), "install", "-q"]
    if build.exists():
        subprocess.run([*pip, "-r", str(build)], check=True)
        pip.append("--no-build-isolation")
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    stamp.write_bytes(wanted)


def main() -> None:
    """Installs all peers, or those that are named."""
    known = (*NAMES, *LIBRARIES)
    for name in sys.argv[1:] or known:
        if name not in known:
            raise SystemExit(f"{name!r} is no peer; there are {', '.join(known)}")
        install(name)
        print(f"{name}: {ENVIRONMENTS / name}")


if __name__ == "__main__":
    main()
