import os
import subprocess
import sys
import threading

import pytest

from cataloguing import EMPTY, filled, folder_of, names, on_disk
from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.rows.operations import Write
from frostline.server.errors import (
    AlreadyExists,
    InUse,
    InvalidInput,
    NotFound,
    Overloaded,
    ShuttingDown,
    StorageFull,
)


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


def test_collections_are_listed_by_name_and_survive_a_restart(catalogue, tmp_path):
    for name in ("b", "c", "a"):
        filled(catalogue, name, 5)
    assert names(catalogue) == ["a", "b", "c"]
    catalogue.close()
    again = Catalogue(tmp_path)
    assert names(again) == ["a", "b", "c"]
    assert [collection.count() for collection in again.list()] == [5, 5, 5]
    assert again.get("b").config == config("b")
    again.close()


def test_what_does_not_exist_is_not_found(catalogue):
    for name in ("missing", "", "../a", "x" * 100_000):
        with pytest.raises(NotFound, match="does not exist") as missing:
            catalogue.get(name)
        assert len(str(missing.value)) < 500
        with pytest.raises(NotFound, match="does not exist"):
            catalogue.delete(name)


def test_a_name_is_taken_once_even_by_many_at_a_time(catalogue, tmp_path):
    outcomes = []

    def create():
        try:
            outcomes.append(catalogue.create(config("same")))
        except AlreadyExists as error:
            outcomes.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, AlreadyExists) for each in outcomes) == 7
    assert on_disk(tmp_path) == [*EMPTY, "same"]


def test_a_refused_name_touches_no_disk(catalogue, tmp_path):
    with pytest.raises(InvalidInput):
        catalogue.create(config("../outside"))
    assert on_disk(tmp_path) == [".lock", ".snapshots"]
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.parametrize("step", ["mkdir", "names"])
def test_a_creation_without_room_says_so_and_leaves_nothing(catalogue, tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(28, "No space left on device")

    catalogue.create(config("a"))
    if step == "mkdir":
        monkeypatch.setattr(type(tmp_path), "mkdir", full)
    else:
        monkeypatch.setattr(type(tmp_path), "replace", full)
    with pytest.raises(StorageFull, match="no room for collection 'notes'; free some space"):
        catalogue.create(config())
    monkeypatch.undo()
    assert on_disk(tmp_path) == [*EMPTY[:2], "a", "names"]
    assert names(catalogue) == ["a"]
    catalogue.create(config())


def test_a_collection_that_cannot_be_opened_is_not_made(tmp_path):
    def refused(folder, name):
        raise Overloaded("raise the limit (ulimit -n)", 1)

    catalogue = Catalogue(tmp_path, open_collection=refused)
    with pytest.raises(Overloaded):
        catalogue.create(config())
    assert catalogue.list() == []
    assert on_disk(tmp_path) == EMPTY
    catalogue.close()
    again = Catalogue(tmp_path)
    assert again.list() == []
    again.close()


def test_a_deletion_needs_no_room(catalogue, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    filled(catalogue, "a")
    filled(catalogue, "b")
    catalogue.set_alias("x", "a")
    monkeypatch.setattr(type(tmp_path), "replace", full)
    catalogue.delete("a")
    monkeypatch.undo()
    assert "stays until the next start" in caplog.text
    (left,) = tmp_path.glob(".deleted-*")
    assert list(left.iterdir()) == []
    catalogue.close()
    again = Catalogue(tmp_path)
    assert (names(again), again.aliases()) == (["b"], {})
    assert on_disk(tmp_path) == [*EMPTY[:2], "b", "names"]
    again.close()


def test_a_deleted_collection_is_gone_and_its_name_is_free(catalogue, tmp_path):
    held = filled(catalogue, "notes")
    catalogue.delete("notes")
    with pytest.raises(NotFound):
        catalogue.get("notes")
    with pytest.raises(ShuttingDown):
        held.get(["0"])
    assert on_disk(tmp_path) == EMPTY
    assert catalogue.create(config()).count() == 0


def test_deletion_waits_for_the_work_that_was_accepted(catalogue, tmp_path):
    notes = filled(catalogue, "notes")
    folder = folder_of(tmp_path, "notes")
    inside, go_on = threading.Event(), threading.Event()

    def read():
        with notes._readers.connection() as connection:
            inside.set()
            assert go_on.wait(10)
            return connection.execute("SELECT count(*) FROM records").fetchone()[0]

    counts = []
    reading = threading.Thread(target=lambda: counts.append(read()))
    reading.start()
    assert inside.wait(10)
    write = notes.upsert([Write(record("accepted"))])
    deleting = threading.Thread(target=catalogue.delete, args=("notes",))
    deleting.start()
    write.result(10)
    while catalogue.list():
        assert deleting.is_alive()
    with pytest.raises(NotFound):  # gone for new callers at once
        catalogue.get("notes")
    deleting.join(0.3)
    assert deleting.is_alive()
    assert folder.exists()
    go_on.set()
    deleting.join(10)
    reading.join(10)
    assert counts == [4]
    assert on_disk(tmp_path) == EMPTY


def test_a_closed_catalogue_may_be_closed_again_and_changes_nothing(catalogue):
    catalogue.create(config())
    catalogue.close()
    catalogue.close()
    for change in (
        lambda: catalogue.create(config("new")),
        lambda: catalogue.delete("notes"),
        lambda: catalogue.rename("notes", "new"),
        lambda: catalogue.set_alias("x", "notes"),
    ):
        with pytest.raises(ShuttingDown):
            change()


OPEN = "import sys, pathlib; from frostline.server.collections.catalogue import Catalogue; "
HOLD = OPEN + "c = Catalogue(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_a_second_server_is_refused_with_pid_and_folder_until_the_first_is_killed(tmp_path):
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout.readline() == "held\n"
        for _ in range(2):
            with pytest.raises(InUse, match=f"{tmp_path} is in use by the server with process id {first.pid};"):
                Catalogue(tmp_path)
    finally:
        first.kill()
        first.communicate()
    Catalogue(tmp_path).close()


def test_a_folder_is_held_once_within_a_process_too(catalogue, tmp_path):
    with pytest.raises(InUse, match=f"process id {os.getpid()}"):
        Catalogue(tmp_path)
    catalogue.close()
    Catalogue(tmp_path).close()


def test_the_size_of_a_deleted_collection_is_not_found(catalogue):
    held = filled(catalogue, "notes")
    catalogue.delete("notes")
    with pytest.raises(NotFound, match="'notes' was deleted"):
        held.size_bytes()
