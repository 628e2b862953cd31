"""The encoders of a data folder: installed, loaded, found by name, verified, deleted.

A bundle is built in a hidden folder beside the others and renamed into place, so that a folder with a name is whole.
"""

import errno
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from frostline.server.durable_files import sync
from frostline.server.encoders import decoding
from frostline.server.encoders.bundle import Name, load_manifest
from frostline.server.encoders.encoder import Encoder
from frostline.server.encoders.image import ImageEncoder
from frostline.server.encoders.session import check_device
from frostline.server.encoders.sources import local_folder
from frostline.server.encoders.text import TextEncoder
from frostline.server.encoders.verification import Check, check_files, check_outputs
from frostline.server.errors import AlreadyExists, DataDamaged, FrostlineError, InvalidInput, NotFound, StorageFull

_log = logging.getLogger(__name__)

_BUILDING, _DELETING = _UNFINISHED = (".building-", ".deleting-")
_NAME = TypeAdapter[str](Name)


class Registry:
    """Encoders by name. Methods block and may be called from several threads at once.

    All bundles present are loaded at once; one that is damaged is logged, and explained when it is asked for.

    Args:
        folder: holds a bundle for each encoder; made if missing. One process at a time.
        device: `auto`, `cpu` or `cuda:N`.
        threads: of a graph's run; 0 takes one for each core.
        max_pixels: the most pixels of an image.

    Attributes:
        max_pixels: the same.

    Raises:
        InvalidInput: there is no such device.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", threads: int = 0, max_pixels: int = decoding.MAX_PIXELS
    ) -> None:
        check_device(device)
        self._folder, self._device, self._threads, self.max_pixels = folder, device, threads, max_pixels
        self._lock = threading.Lock()
        self._encoders: dict[str, Encoder] = {}
        self._damaged: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            if path.name.startswith(_UNFINISHED):
                shutil.rmtree(path)  # left by a process that was killed while it built or deleted
            elif path.is_dir():
                self._open(path)

    def names(self) -> list[str]:
        """Names of the encoders that can be run, sorted."""
        with self._lock:
            return sorted(self._encoders)

    def __contains__(self, name: str) -> bool:
        """Whether the name is taken, by a damaged encoder too."""
        with self._lock:
            return name in self._encoders or name in self._damaged

    def get(self, name: str) -> Encoder:
        """Finds an encoder.

        Raises:
            NotFound: there is none of that name; says which there are.
            DataDamaged: its files are not what was written.
        """
        with self._lock:
            if name in self._encoders:
                return self._encoders[name]
            if name in self._damaged:
                raise DataDamaged(f"encoder {name!r} cannot be run: {self._damaged[name]}; delete it and add it again")
            known = ", ".join(sorted(self._encoders)) or "none"
        raise NotFound(f"there is no encoder {name!r}; this server has: {known}")

    def folder(self, name: str) -> Path:
        """The folder of an encoder's bundle; raises what `get` does."""
        self.get(name)
        return self._folder / name

    def install(
        self,
        name: str,
        source_folder: Path,
        *,
        source: str = "",
        report: Callable[[str], None] = lambda step: None,
    ) -> list[Check]:
        """Builds an encoder, verifies it and loads it. A failure leaves nothing behind.

        Args:
            name: lower-case letters, digits, dots and hyphens, at most 63.
            source_folder: a bundle, a sentence-transformers folder, or `model.onnx` with `preprocess.json`.
            source: where it came from, for people.
            report: is told each step before it begins: `building`, `verifying`, `loading`.

        Returns:
            The checks that were run, all passed.

        Raises:
            InvalidInput: the name or the folder is not one that can be used, or a check failed; says which and why.
            AlreadyExists: the name is taken.
            StorageFull: the disk has no room.
        """
        _check_name(name)
        if name in self:
            raise AlreadyExists(f"there is an encoder {name!r} already; delete it first, or choose another name")
        building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=self._folder))
        try:
            return self._install(name, source_folder, building, source, report)
        except (DataDamaged, NotFound) as error:
            raise InvalidInput(f"{source_folder.name} cannot become encoder {name!r}: {error}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"no room on the disk of {self._folder} to build encoder {name!r}") from error
            raise
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def verify(self, name: str) -> list[Check]:
        """Compares an encoder's files with their hashes, and their vectors with the golden ones.

        The files are loaded anew: graphs in use stay as they are.

        Raises:
            NotFound: there is none of that name.
            DataDamaged: its manifest cannot be read.
        """
        folder = self._folder / name
        try:
            self.get(name)
            outputs = self._check_outputs(folder)
        except (DataDamaged, InvalidInput, OSError) as error:
            outputs = [Check("loads", passed=False, detail=str(error))]
        return check_files(folder, load_manifest(folder)) + outputs

    def delete(self, name: str) -> None:
        """Deletes an encoder. Batches that run at this moment finish; inputs that wait are refused with NotFound.

        Raises:
            NotFound: there is none of that name.
        """
        with self._lock:
            if name not in self._encoders and name not in self._damaged:
                raise NotFound(f"there is no encoder {name!r} to delete")
            deleting = Path(tempfile.mkdtemp(prefix=_DELETING, dir=self._folder))
            if name in self._encoders:
                self._encoders[name].close()  # first: it would read graphs of whatever gets its name next
            os.rename(self._folder / name, deleting / name)
            self._damaged.pop(name, None)
            self._encoders.pop(name, None)
        sync(self._folder)
        shutil.rmtree(deleting)

    def size_bytes(self, name: str) -> int:
        """Size of an encoder's files.

        Raises:
            NotFound: there is none of that name.
        """
        if name not in self:
            raise NotFound(f"there is no encoder {name!r}")
        try:
            return sum(path.stat().st_size for path in (self._folder / name).iterdir())
        except FileNotFoundError as error:
            raise NotFound(f"encoder {name!r} was deleted") from error

    def close(self) -> None:
        """Frees all encoders."""
        with self._lock:
            encoders = list(self._encoders.values())
            self._encoders.clear()
        for encoder in encoders:
            encoder.close()

    def _open(self, path: Path) -> None:
        try:
            manifest = load_manifest(path)
            if manifest.name != path.name:
                raise DataDamaged(f"the folder is named {path.name}, its manifest says {manifest.name}")
            for check in check_files(path, manifest):
                if not check.passed:
                    raise DataDamaged(f"{check.name}: {check.detail}")
            self._encoders[path.name] = self._load(path)
        except (FrostlineError, OSError) as error:
            _log.error("encoder %s is left out: %s", path.name, error)
            self._damaged[path.name] = str(error)

    def _load(self, path: Path) -> Encoder:
        if load_manifest(path).modality == "text":
            return TextEncoder(path, self._device, self._threads)
        return ImageEncoder(path, self._device, self._threads, self.max_pixels)

    def _install(
        self, name: str, source_folder: Path, building: Path, source: str, report: Callable[[str], None]
    ) -> list[Check]:
        report("building")
        manifest = local_folder.build(source_folder, building, name, source)
        report("verifying")
        checks = check_files(building, manifest) + self._check_outputs(building)
        for check in checks:
            if not check.passed:
                raise InvalidInput(f"encoder {name!r} was built but is not right: {check.name}: {check.detail}")
        report("loading")
        for path in building.iterdir():
            sync(path)
        sync(building)
        try:
            os.rename(building, self._folder / name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise AlreadyExists(f"encoder {name!r} was added by someone else in the meantime") from error
        try:
            sync(self._folder)
            # Loaded from where it stays: graphs of other layers are read from there when they are first asked for.
            encoder = self._load(self._folder / name)
        except BaseException:
            os.rename(self._folder / name, building)  # which is removed
            raise
        with self._lock:
            self._encoders[name] = encoder
        return checks

    def _check_outputs(self, folder: Path) -> list[Check]:
        encoder = self._load(folder)
        try:
            return check_outputs(encoder, folder)
        finally:
            encoder.close()


def _check_name(name: str) -> None:
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise InvalidInput(
            f"encoder name {name!r} is not one: use lower-case letters, digits, dots and hyphens, at most 63, "
            "a letter or digit first"
        ) from error
