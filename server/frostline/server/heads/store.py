"""All heads of a server: one folder each in one folder.

    NAME/                a head; see `head_files`
    .new-xxxxxxxx/       a head or a version that is being begun
    .deleted-xxxxxxxx/   a head that is gone

What a crash left behind is removed at the next start, and a version that was being trained has failed.
"""

import contextlib
import logging
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path

from frostline.server.durable_files import DELETED, NEW, discard, explained, sync
from frostline.server.errors import Conflict, DataDamaged, FrostlineError, NotFound
from frostline.server.heads import artifact, examples, head_files
from frostline.server.heads.folders import Folders
from frostline.server.heads.head_files import EXAMPLES, TARGET
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.manifest import Manifest
from frostline.server.heads.predictor import Predictor
from frostline.server.heads.predictors import Predictors
from frostline.server.heads.versions import Asked, Head, HeadConfig, State, Version

_log = logging.getLogger(__name__)


class Heads:
    """Keeps heads. All methods may be called from several threads at once.

    A head that cannot be read is logged, and the others are served.

    Args:
        folder: made where it is missing.

    Attributes:
        folders: where what belongs to them lies.

    Raises:
        StorageFull: the disk has no room to note what a crash left.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.folders = Folders(folder)
        self._changing = threading.Lock()
        self._predictors = Predictors()
        folder.mkdir(parents=True, exist_ok=True)
        self._heads, self._manifests = head_files.tidied(folder)

    def get(self, name: str) -> Head:
        """Finds a head.

        Raises:
            NotFound: there is none of this name.
            DataDamaged: it could not be read at start.
        """
        head = self._heads.get(name)
        if head is None:
            raise NotFound(f"head {name[:80]!r} does not exist; train it, or list the heads there are")
        if isinstance(head, DataDamaged):
            raise DataDamaged(*head.args) from head
        return head

    def list(self) -> list[Head]:
        """The heads that could be read, by name."""
        return [head for _, head in sorted(self._heads.items()) if isinstance(head, Head)]

    def check_free(self, name: str) -> None:
        """Checks that a version of a head may be begun.

        Raises:
            InvalidInput: nothing may have the name.
            InUse: a version of it is being trained.
            DataDamaged: the head could not be read at start.
        """
        head_files.check_name(name)
        if name in self._heads:
            self.get(name).expect_idle()

    def answers(self, name: str, asked: Asked) -> bool:
        """Whether a request has begun a version of a head already; see `Head.answers`."""
        head = self._heads.get(name)
        return isinstance(head, Head) and head.answers(asked)

    def begin(self, name: str, config: HeadConfig, after: Version | None = None, asked: Asked | None = None) -> Head:
        """Begins a version, of a new head where there is none of the name; it is on disk then.

        Args:
            name: of the head.
            config: what was asked for.
            after: the version that must still serve; None for any.
            asked: the request; None for none that may be sent again.

        Returns:
            The head; its first version is the new one, TRAINING.

        Raises:
            InvalidInput: nothing may have the name.
            InUse: a version of the head is being trained.
            Conflict: another version serves.
            DataDamaged: the head could not be read at start.
            StorageFull: the disk has no room.
        """
        self.check_free(name)
        fresh = self._folder / f"{NEW}{uuid.uuid4().hex[:8]}"
        content = fresh / "version"
        with explained(f"head {name!r}"):
            try:
                content.mkdir(parents=True)
                with self._changing:
                    if after and self.get(name).ready_version() != after:
                        raise Conflict(f"another version of head {name!r} serves by now; look at it, and update again")
                    return self._adopt(name, config, asked, fresh, content)
            finally:
                discard(fresh)

    def keep_examples(self, name: str, version: Version, labelled: Labelled, target: Labelled | None = None) -> None:
        """Writes what a version that was begun is trained from; it is on disk when this returns.

        Args:
            name: of the head.
            version: was begun.
            labelled: the examples.
            target: unlabelled inputs that it is adapted to, see `alignment.unlabelled`.

        Raises:
            NotFound: the head was deleted or the version cancelled meanwhile.
            StorageFull: the disk has no room.
        """
        self._current(name, version)
        with explained(f"the examples of head {name!r}"):
            if target is not None:
                examples.save(self.folders.of(name, version) / TARGET, target)
            examples.save(self.folders.of(name, version) / EXAMPLES, labelled)

    def finish(self, name: str, version: Version, train_seconds: float) -> Head:
        """Lets a version serve whose artifact is written.

        Raises:
            NotFound: the head was deleted or the version cancelled meanwhile.
            DataDamaged: the artifact cannot be read.
        """
        folder = self.folders.artifact(name, version)
        manifest, predictor = artifact.read_manifest(folder), Predictor(folder)
        with self._changing:
            head = self._current(name, version).finished(version, train_seconds)
            self._manifests[version.folder] = manifest
            self._predictors.keep(version.folder, predictor)
            return self._change(head)

    def fail(self, name: str, version: Version, reason: str) -> Head:
        """Notes that a version was not trained, and lets go of its files; raises NotFound as `finish` does."""
        with self._changing:
            head = self._current(name, version).failed(version, reason)
            discard(self.folders.of(name, version))  # before anything is written: it makes room
            return self._change_anyway(head)

    def cancel(self, name: str) -> Version:
        """Notes that the newest version is trained no more, and returns it; see `Head.cancelled`.

        Raises:
            NotFound: there is no such head.
            NotReady: it is not being trained.
        """
        with self._changing:
            return self._change_anyway(self.get(name).cancelled()).versions[0]

    def rollback(self, name: str, number: int = 0) -> Head:
        """Lets another ready version serve, at once; see `Head.rolled_back`.

        Raises:
            NotFound: there is no such head or version.
            NotReady: it is not ready.
            StorageFull: the disk has no room; nothing has changed.
        """
        with self._changing:
            return self._change(self.get(name).rolled_back(number))

    def delete(self, name: str) -> tuple[Version, ...]:
        """Deletes a head and all its versions, also one that cannot be read.

        Returns:
            The versions, as far as they are known.

        Raises:
            NotFound: there is none of this name.
        """
        with self._changing:
            if name not in self._heads:
                self.get(name)
            doomed = self._folder / f"{DELETED}{uuid.uuid4().hex[:8]}"
            with contextlib.suppress(FileNotFoundError):  # it was lost
                (self._folder / name).rename(doomed)
            sync(self._folder)
            head = self._heads.pop(name)
            versions = head.versions if isinstance(head, Head) else ()
            self._forget(versions)
        discard(doomed)
        return versions

    def manifest(self, version: Version) -> Manifest | None:
        """What a ready version is; None for others."""
        return self._manifests.get(version.folder) if version.state is State.READY else None

    def kept_predictor(self, name: str, number: int = 0) -> tuple[Version, Predictor] | None:
        """What `predictor` gives, where nothing must be read for it; raises what it does."""
        version = self.get(name).ready_version(number)
        return (version, predictor) if (predictor := self._predictors.get(version.folder)) else None

    def predictor(self, name: str, number: int = 0) -> tuple[Version, Predictor]:
        """What predicts; of the version that serves where the number is 0.

        Where that turns out to be damaged the latest ready one before it serves from then on.

        Raises:
            NotFound: there is no such head or version.
            InUse: it is being trained.
            NotReady: it failed.
            DataDamaged: the version that was asked for is damaged.
        """
        while True:
            version = self.get(name).ready_version(number)
            if predictor := self._predictors.get(version.folder):
                return version, predictor
            try:
                with explained(f"head {name!r}"):
                    predictor = Predictor(self.folders.artifact(name, version))
            except DataDamaged as error:
                self._note_damage(name, version, error)
                if number:
                    raise
            else:
                with self._changing:
                    self._current(name, version)
                    self._predictors.keep(version.folder, predictor)
                return version, predictor

    def _adopt(self, name: str, config: HeadConfig, asked: Asked | None, fresh: Path, content: Path) -> Head:
        """Makes a folder with the content of a version part of a head, or a head."""
        self.check_free(name)
        path = self._folder / name
        if name in self._heads:
            before = self.get(name)
            version = Version.begun(before.next_number, config, asked)
            content.rename(path / version.folder)
            return self._change(before.with_version(version))
        version = Version.begun(1, config, asked)
        content.rename(fresh / version.folder)
        head = Head(name, (version,))
        head_files.write(fresh, head)
        fresh.rename(path)
        sync(self._folder)
        self._heads[name] = head
        return head

    def _current(self, name: str, version: Version) -> Head:
        """The head that a version is of, now."""
        head = self.get(name)
        head.expect_wanted(version)
        return head

    def _change(self, head: Head) -> Head:
        """Replaces a head, on disk and then for all who ask, and lets go of versions that it has no more."""
        path = self._folder / head.name
        head_files.write(path, head)
        before = self._heads[head.name]
        self._heads[head.name] = head
        kept = {each.folder for each in head.versions}
        gone = [each for each in before.versions if each.folder not in kept] if isinstance(before, Head) else []
        self._forget(gone)
        for each in gone:
            discard(path / each.folder)
        return head

    def _change_anyway(self, head: Head) -> Head:
        """Like `_change`, where the next start would find the same out once more."""
        try:
            return self._change(head)
        except (FrostlineError, OSError) as error:
            _log.warning("what became of head %r is not on disk: %s", head.name, error)
            self._heads[head.name] = head
            return head

    def _note_damage(self, name: str, version: Version, error: DataDamaged) -> None:
        _log.error("version %d of head %r serves no more: %s", version.number, name, error)
        with self._changing:
            head = self._current(name, version)
            if head.version(version.number).state is State.READY:
                self._change_anyway(head.failed(version, str(error)))
                self._forget([version])

    def _forget(self, versions: Iterable[Version]) -> None:
        for each in versions:
            self._predictors.forget(each.folder)
            self._manifests.pop(each.folder, None)
