"""The files of one head: what says which versions it has, and their folders.

head.json              its versions, and which one serves; replaced as a whole
3.xxxxxxxx/            a version
3.xxxxxxxx/examples/   what it was trained from; see `examples`
3.xxxxxxxx/target/     the unlabelled inputs it was adapted to, if any, in the same format
3.xxxxxxxx/artifact/   what it is; see `artifact`
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frostline.server.durable_files import DELETED, NEW, discard, explained, read_json, write_json
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import artifact
from frostline.server.heads.manifest import Manifest
from frostline.server.heads.versions import Head, State, Version

FILE, EXAMPLES, TARGET, ARTIFACT = "head.json", "examples", "target", "artifact"
INTERRUPTED = "interrupted: the server stopped while it was trained; train again"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_log = logging.getLogger(__name__)


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    serving: int
    versions: tuple[Version, ...] = Field(min_length=1)


def write(folder: Path, head: Head) -> None:
    """Replaces what is said of a head; it is on disk when this returns.

    Raises:
        StorageFull: the disk has no room; nothing was replaced.
    """
    content = _Content(serving=head.serving, versions=head.versions)
    with explained(f"head {head.name!r}"):
        write_json(folder / FILE, content.model_dump(mode="json"))


def read(folder: Path) -> Head:
    """Reads what is said of a head.

    Raises:
        DataDamaged: it cannot be read.
    """
    try:
        content = _Content.model_validate(read_json(folder / FILE))
    except (FileNotFoundError, ValidationError, DataDamaged) as error:
        raise DataDamaged(f"{folder / FILE} is missing or damaged; delete the head and train it again") from error
    return Head(folder.name, content.versions, content.serving)


def check_name(name: str) -> None:
    """Checks what a head shall be called.

    Raises:
        InvalidInput: nothing may have the name.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"head name {name[:80]!r} is not allowed; take 1 to 63 lower-case letters, digits, hyphens and "
            "underscores, a letter or digit first"
        )


def tidied(folder: Path) -> tuple[dict[str, Head | DataDamaged], dict[str, Manifest]]:
    """Reads all heads in a folder at a start, as `opened` does, and removes what is none.

    Args:
        folder: of all heads.

    Returns:
        Heads by name, or why one cannot be read, and what each of their ready versions is, by folder.

    Raises:
        StorageFull: as `opened`.
    """
    heads: dict[str, Head | DataDamaged] = {}
    manifests: dict[str, Manifest] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((NEW, DELETED)):
            discard(path)
        elif path.is_dir() and _NAME.fullmatch(path.name):
            try:
                heads[path.name], ready = opened(path)
                manifests |= ready
            except DataDamaged as error:
                _log.error("head %r is not served: %s", path.name, error)
                heads[path.name] = error
    return heads, manifests


def opened(folder: Path) -> tuple[Head, dict[str, Manifest]]:
    """Reads a head at a start, and notes and removes what a crash left.

    Versions that were being trained have failed, and so have those whose files are not what was written.

    Returns:
        The head, and what each of its ready versions is, by folder.

    Raises:
        DataDamaged: it cannot be read.
        StorageFull: the disk has no room for what is to be noted.
    """
    head = found = read(folder)
    manifests: dict[str, Manifest] = {}
    for version in found.versions:
        if version.state is State.TRAINING:
            discard(folder / version.folder)
            head = head.failed(version, INTERRUPTED)
        elif version.state is State.READY:
            try:
                manifests[version.folder] = artifact.read_manifest(folder / version.folder / ARTIFACT)
            except DataDamaged as error:
                _log.error("version %d of head %r is not served: %s", version.number, head.name, error)
                head = head.failed(version, str(error))
    if head != found:
        write(folder, head)
    _discard_others(folder, head.versions)
    return head, manifests


def _discard_others(folder: Path, versions: Sequence[Version]) -> None:
    kept = {version.folder for version in versions}
    for path in folder.iterdir():
        if path.is_dir() and path.name not in kept:
            discard(path)
