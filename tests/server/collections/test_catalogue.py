import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections import catalogue as catalogue_module
from frostline.server.collections import database
from frostline.server.collections.catalogue import Catalogue
from frostline.server.errors import (
    AlreadyExists,
    DataDamaged,
    InUse,
    InvalidInput,
    NotFound,
    ShuttingDown,
    StorageFull,
)


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


def filled(catalogue, name, count=3):
    collection = catalogue.create(config(name))
    collection.upsert([record(f"{number}") for number in range(count)]).result(10)
    return collection


def names(catalogue):
    return [collection.config.id for collection in catalogue.list()]


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
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "same"]


def test_a_refused_name_touches_no_disk(catalogue, tmp_path):
    with pytest.raises(InvalidInput):
        catalogue.create(config("../outside"))
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.parametrize("step", ["rename", "sync"])
def test_a_creation_cut_short_leaves_nothing_after_the_next_start(catalogue, tmp_path, monkeypatch, step):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(catalogue_module.shutil, "rmtree", lambda *_, **__: None)  # a crash cleans nothing
    monkeypatch.setattr(
        *((catalogue_module.Path, "rename") if step == "rename" else (catalogue_module, "_sync")), crash
    )
    with pytest.raises(KeyboardInterrupt):
        catalogue.create(config())
    monkeypatch.undo()
    assert [path.name[:5] for path in sorted(tmp_path.iterdir())] == [".lock", ".new-"]
    catalogue.close()
    again = Catalogue(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert again.create(config()).count() == 0
    again.close()


def test_a_creation_without_room_says_so_and_leaves_nothing(catalogue, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(catalogue_module, "_sync", full)
    with pytest.raises(StorageFull, match="no room for collection 'notes'"):
        catalogue.create(config())
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    monkeypatch.undo()
    catalogue.create(config())


def test_a_deleted_collection_is_gone_and_its_name_is_free(catalogue, tmp_path):
    held = filled(catalogue, "notes")
    catalogue.delete("notes")
    with pytest.raises(NotFound):
        catalogue.get("notes")
    with pytest.raises(ShuttingDown):
        held.get(["0"])
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert catalogue.create(config()).count() == 0


def test_a_deletion_cut_short_is_finished_at_the_next_start(catalogue, tmp_path, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    filled(catalogue, "notes")
    monkeypatch.setattr(catalogue_module.shutil, "rmtree", crash)
    with pytest.raises(KeyboardInterrupt):
        catalogue.delete("notes")
    monkeypatch.undo()
    assert [path.name[:9] for path in sorted(tmp_path.iterdir())] == [".deleted-", ".lock"]
    catalogue.close()
    again = Catalogue(tmp_path)
    assert names(again) == []
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    again.close()


def test_deletion_waits_for_the_work_that_was_accepted(catalogue, tmp_path, monkeypatch):
    notes = filled(catalogue, "notes")
    inside, go_on = threading.Event(), threading.Event()
    search = type(notes._ledger.state.index).search

    def slow(index, queries, k):
        inside.set()
        assert go_on.wait(10)
        return search(index, queries, k)

    monkeypatch.setattr(type(notes._ledger.state.index), "search", slow)
    hits = []
    searching = threading.Thread(target=lambda: hits.append(notes.search(np.ones((1, 4), np.float32), 5)))
    searching.start()
    assert inside.wait(10)
    write = notes.upsert([record("accepted")])
    deleting = threading.Thread(target=catalogue.delete, args=("notes",))
    deleting.start()
    write.result(10)
    while catalogue.list():
        assert deleting.is_alive()
    with pytest.raises(NotFound):  # gone for new callers at once
        catalogue.get("notes")
    deleting.join(0.3)
    assert deleting.is_alive()
    assert (tmp_path / "notes").exists()
    go_on.set()
    deleting.join(10)
    searching.join(10)
    assert hits[0].ids == [["0", "1", "2"]]
    assert not (tmp_path / "notes").exists()


def spoil(path, how):
    file = path / database.FILE_NAME
    match how:
        case "missing":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "no database":
            file.write_bytes(b"text" * 5000)
        case "cut":
            file.write_bytes(file.read_bytes()[: 3 * database.PAGE_SIZE])
        case "pages":
            size = file.stat().st_size
            file.write_bytes(file.read_bytes()[: database.PAGE_SIZE] + b"\xa5" * (size - database.PAGE_SIZE))
        case "newer":
            connection = database.sqlite3.connect(file)
            connection.execute("PRAGMA user_version = 2")
            connection.close()
        case "config":
            connection = database.sqlite3.connect(file)
            connection.execute("UPDATE meta SET config = '{}'")
            connection.commit()
            connection.close()


@pytest.mark.parametrize("how", ["missing", "empty", "no database", "cut", "pages", "newer", "config"])
def test_a_damaged_file_stops_neither_the_server_nor_the_other_collections(catalogue, tmp_path, caplog, how):
    filled(catalogue, "bad", 100)
    filled(catalogue, "good")
    catalogue.close()
    spoil(tmp_path / "bad", how)
    again = Catalogue(tmp_path)
    assert names(again) == ["good"]
    assert again.get("good").count() == 3
    assert "collection 'bad' is not served" in caplog.text
    for _ in range(2):
        with pytest.raises(DataDamaged, match=r"bad/records\.sqlite.*(restore|run the Frostline)"):
            again.get("bad")
    with pytest.raises(AlreadyExists):
        again.create(config("bad"))
    again.delete("bad")
    assert again.create(config("bad")).count() == 0
    again.close()


def test_a_closed_catalogue_may_be_closed_again_and_changes_nothing(catalogue):
    catalogue.close()
    catalogue.close()
    with pytest.raises(ShuttingDown):
        catalogue.create(config())
    with pytest.raises(ShuttingDown):
        catalogue.delete("notes")


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
