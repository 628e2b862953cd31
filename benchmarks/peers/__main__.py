"""Makes the environment of each peer: `cd benchmarks && python -m peers [NAME ...]`."""

import subprocess
import sys
from pathlib import Path

from . import NAMES
from .peer import ENVIRONMENTS


def install(name: str) -> None:
    """Makes `.venv-peers/NAME` unless it was made from the same requirements."""
    requirements = Path(__file__).parent / f"requirements-{name}.txt"
    environment = ENVIRONMENTS / name
    stamp = environment / ".installed"  # comes last, so that an interrupted installation is done again
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    subprocess.run([str(environment / "bin" / "pip"), "install", "-q", "-r", str(requirements)], check=True)
    stamp.write_bytes(requirements.read_bytes())


def main() -> None:
    """Installs all peers, or those that are named."""
    for name in sys.argv[1:] or NAMES:
        if name not in NAMES:
            raise SystemExit(f"{name!r} is no peer; there are {', '.join(NAMES)}")
        install(name)
        print(f"{name}: {ENVIRONMENTS / name}")


if __name__ == "__main__":
    main()
