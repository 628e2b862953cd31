"""Where what belongs to heads lies on disk."""

import contextlib
import uuid
from collections.abc import Generator
from pathlib import Path

from frostline.server.durable_files import NEW, discard, explained
from frostline.server.heads.head_files import ARTIFACT, EXAMPLES, TARGET
from frostline.server.heads.versions import Version


class Folders:
    """The folders of all heads.

    Args:
        root: holds one folder for each head.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, name: str, version: Version) -> Path:
        """The folder of a version."""
        return self._root / name / version.folder

    def artifact(self, name: str, version: Version) -> Path:
        """The folder that the trained head of a version is written to."""
        return self.of(name, version) / ARTIFACT

    def examples(self, name: str, version: Version) -> Path | None:
        """The folder that the examples of a version are in; None for one that was merged of heads."""
        folder = self.of(name, version) / EXAMPLES
        return folder if folder.is_dir() else None

    def target(self, name: str, version: Version) -> Path | None:
        """The folder that unlabelled inputs of a version are in; None where there are none."""
        folder = self.of(name, version) / TARGET
        return folder if folder.is_dir() else None

    @contextlib.contextmanager
    def scratch(self) -> Generator[Path]:
        """A new folder for what is needed for a while; gone afterwards, or at the next start."""
        folder = self._root / f"{NEW}{uuid.uuid4().hex[:8]}"
        with explained("examples that are only needed for a while"):
            folder.mkdir()
            try:
                yield folder
            finally:
                discard(folder)
