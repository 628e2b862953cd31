"""A full disk refuses writes, keeps answering, lets go of what is deleted, and needs no restart once there is room.

With a limit on the size of files, which any machine has, and on a small disk of its own, where one can be mounted: only
there does giving up one file make room for others.
"""

import contextlib
import resource
import shutil
import subprocess

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.operations import PayloadPatch, Write
from frostline.server.collections.rows.reserve import FILE_NAME as RESERVE_NAME
from frostline.server.collections.rows.reserve import RESERVE_BYTES
from frostline.server.collections.search.query import SearchOptions
from frostline.server.errors import NotFound, StorageFull

QUERY = np.ones((1, 4), np.float32)


class Limit:
    """The largest file this process may write."""

    def __init__(self, folder):
        self.folder = folder
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, room):
        largest = max(path.stat().st_size for path in self.folder.rglob("*.sqlite*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, self.before[1]))

    def free(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


class Disk:
    """A small disk in memory, with a file that takes up room."""

    def __init__(self, folder):
        self.folder = folder
        self.filler = folder / "filler"

    def fill(self, room):
        with self.filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        with self.filler.open("r+b") as filler:
            filler.truncate(self.filler.stat().st_size - room)

    def free(self):
        self.filler.unlink(missing_ok=True)


@pytest.fixture
def limit(tmp_path):
    limit = Limit(tmp_path)
    yield limit
    limit.free()


@pytest.fixture
def disk(tmp_path):
    if shutil.which("mount") is None:
        pytest.skip("no small disk can be mounted")
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(tmp_path)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted")
    yield Disk(tmp_path)
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.fixture(params=["limit", "disk"])
def storage(request):
    return request.getfixturevalue(request.param)


def batch(name, size):
    return [Write(record(f"{name}-{number}", image=bytes(size), batch=name)) for number in range(4)]


def ids(*batches):
    return [f"{name}-{number}" for name in batches for number in range(4)]


def assert_says_what_to_do(error):
    assert isinstance(error, StorageFull)
    assert "no room for" in str(error)
    assert "free some space" in str(error)
    assert not hasattr(error, "retry_after_seconds")


class Notes:
    """A collection, and the ids that it acknowledged."""

    def __init__(self, catalogue):
        self.collection = catalogue.create(config())
        self.kept = set()

    def write(self, name, size):
        """Whether there was room."""
        error = self.collection.upsert(batch(name, size)).exception(30)
        if error is None:
            self.kept |= set(ids(name))
        else:
            assert_says_what_to_do(error)
        self.check()
        return error is None

    def check(self):
        hits = self.collection.search_vectors(QUERY, 0, SearchOptions(limit=10_000))
        assert set(hits.ids[0]) == self.kept, "a search shows exactly what was acknowledged"
        assert self.collection.count() == len(self.kept)


def test_a_full_disk_refuses_writes_and_nothing_else(storage):
    catalogue = Catalogue(storage.folder / "collections")
    notes = Notes(catalogue)
    for number in range(10):
        assert notes.write(f"before-{number}", 1000)
    storage.fill(1_000_000)
    assert [notes.write(f"meanwhile-{number}", 100_000) for number in range(20)].count(False) >= 10
    sequence = notes.collection.sequence
    several = [notes.collection.upsert(batch(f"group-{number}", 100_000)) for number in range(8)]
    assert all(isinstance(future.exception(30), StorageFull) for future in several)
    notes.check()
    assert notes.collection.sequence == sequence

    storage.free()
    for number in range(5):
        assert notes.write(f"after-{number}", 100_000)
        assert notes.collection.sequence == sequence + 1 + number
    catalogue.close()
    again = Catalogue(storage.folder / "collections")
    notes.collection = again.get("notes")
    notes.check()
    found = again.get("notes").get(["after-0-0", "before-0-0"], content=True)
    assert [len(each.image) for each in found.values()] == [100_000, 1000]
    again.close()


def test_a_full_disk_takes_deletions_and_then_writes_again(disk):
    catalogue = Catalogue(disk.folder / "collections")
    notes = Notes(catalogue)
    for number in range(12):
        assert notes.write(f"before-{number}", 50_000)
    disk.fill(300_000)
    while notes.write(f"large-{len(notes.kept)}", 50_000):
        pass
    while notes.write(f"small-{len(notes.kept)}", 500):
        pass
    for number in range(0, 4, 2):
        deleted, matching = f"before-{number}", f"before-{number + 1}"
        # In one group with a write that finds no room.
        futures = [
            notes.collection.upsert(batch("refused", 1_000_000)),
            notes.collection.delete(ids(deleted)),
            notes.collection.delete_matching(parse("batch = $name", {"name": matching})),
        ]
        assert isinstance(futures[0].exception(30), StorageFull)
        assert [future.result(30).count for future in futures[1:]] == [4, 4]
        notes.kept -= set(ids(deleted, matching))
        notes.check()
    disk.free()
    assert notes.write("after", 100_000)
    patched = notes.collection.patch([PayloadPatch("after-0", {"batch": "patched"})]).result(30)
    assert patched.count == 1
    (reserve,) = disk.folder.rglob(RESERVE_NAME)
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    catalogue.close()
    again = Catalogue(disk.folder / "collections")
    notes.collection = again.get("notes")
    notes.check()
    again.close()


def test_a_full_disk_changes_no_names_and_lets_go_of_collections(disk):
    catalogue = Catalogue(disk.folder / "collections", snapshots=disk.folder / "snapshots")
    notes = Notes(catalogue)
    for number in range(20):
        assert notes.write(f"before-{number}", 10_000)
    catalogue.create(config("large")).upsert(batch("large", 1_000_000)).result(30)
    catalogue.set_alias("current", "notes")
    snapshot = catalogue.create_snapshot("notes")
    disk.fill(0)
    for change in (
        lambda: catalogue.create(config("new")),
        lambda: catalogue.rename("notes", "renamed"),
        lambda: catalogue.set_alias("current", "large"),
        lambda: catalogue.set_alias("other", "large"),
        lambda: catalogue.delete_alias("current"),
        lambda: catalogue.create_snapshot("notes"),
        lambda: catalogue.restore_snapshot(snapshot.id, "new"),
    ):
        with pytest.raises(StorageFull, match=r"no room for .*free some space"):
            change()
        assert [each.config.id for each in catalogue.list()] == ["large", "notes"]
        assert catalogue.aliases() == {"current": "notes"}
        assert catalogue.snapshots() == [snapshot]
        notes.check()
    assert not [path for path in disk.folder.rglob("*") if path.name.startswith((".new-", ".deleted-"))]
    catalogue.delete("large")
    with pytest.raises(NotFound):
        catalogue.get("large")
    catalogue.set_alias("current", "notes")
    assert catalogue.restore_snapshot(snapshot.id, "new").count() == len(notes.kept)
    catalogue.close()
    again = Catalogue(disk.folder / "collections", snapshots=disk.folder / "snapshots")
    assert [each.config.id for each in again.list()] == ["new", "notes"]
    again.close()
