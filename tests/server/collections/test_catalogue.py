import os
import subprocess
import sys
import threading

import pytest

from collecting import config, record
from frostline.server.collections import database, durable_files, leftovers
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.operations import Write
from frostline.server.errors import (
    AlreadyExists,
    DataDamaged,
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


def filled(catalogue, name, count=3):
    collection = catalogue.create(config(name))
    collection.upsert([Write(record(f"{number}")) for number in range(count)]).result(10)
    return collection


def names(catalogue):
    return [collection.config.id for collection in catalogue.list()]


def on_disk(folder):
    """What lies in the folder, the ends of folder names cut off."""
    return sorted(path.name.partition(".")[0] or path.name for path in folder.iterdir())


EMPTY = [".lock", ".snapshots", "names"]


def folder_of(folder, name):
    (found,) = folder.glob(f"{name}.????????")
    return found


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


@pytest.mark.parametrize(
    "change",
    [
        lambda catalogue: catalogue.set_alias("x", "b"),
        lambda catalogue: catalogue.set_alias("new", "b"),
        lambda catalogue: catalogue.delete_alias("x"),
        lambda catalogue: catalogue.rename("a", "c"),
    ],
)
def test_names_that_cannot_be_written_stay_as_they_were(catalogue, tmp_path, monkeypatch, change):
    def full(*_):
        raise OSError(28, "No space left on device")

    filled(catalogue, "a", 1)
    filled(catalogue, "b", 2)
    catalogue.set_alias("x", "a")
    monkeypatch.setattr(durable_files.os, "fsync", full)
    with pytest.raises(StorageFull, match=r"no room for .*free some space"):
        change(catalogue)
    monkeypatch.undo()
    for _ in range(2):
        assert names(catalogue) == ["a", "b"]
        assert catalogue.aliases() == {"x": "a"}
        assert (catalogue.get("a").config.id, catalogue.get("x").count()) == ("a", 1)
        catalogue.close()
        catalogue = Catalogue(tmp_path)
    assert on_disk(tmp_path) == [*EMPTY[:2], "a", "b", "names"]
    catalogue.close()


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


def test_a_collection_is_renamed_with_its_aliases_and_its_folder_stays(catalogue, tmp_path):
    notes = filled(catalogue, "notes")
    other = filled(catalogue, "other", 1)
    catalogue.set_alias("current", "notes")
    folder = folder_of(tmp_path, "notes")
    assert catalogue.rename("notes", "zettel") is notes
    assert notes.config.id == "zettel"
    assert catalogue.get("zettel") is catalogue.get("current") is notes
    with pytest.raises(NotFound):
        catalogue.get("notes")
    assert catalogue.list() == [other, notes]
    assert catalogue.create(config("notes")).count() == 0
    notes.upsert([Write(record("3"))]).result(10)
    catalogue.close()
    again = Catalogue(tmp_path)
    assert names(again) == ["notes", "other", "zettel"]
    assert [each.count() for each in again.list()] == [0, 1, 4]
    assert again.get("current").config.id == "zettel"
    assert folder.is_dir()
    again.close()


def test_refused_changes_change_nothing(catalogue):
    filled(catalogue, "a", 1)
    filled(catalogue, "b", 2)
    catalogue.set_alias("x", "a")
    for change, error in (
        (lambda: catalogue.create(config("x")), AlreadyExists),
        (lambda: catalogue.rename("a", "b"), AlreadyExists),
        (lambda: catalogue.rename("a", "x"), AlreadyExists),
        (lambda: catalogue.rename("x", "c"), NotFound),
        (lambda: catalogue.rename("a", "../c"), InvalidInput),
        (lambda: catalogue.delete("x"), NotFound),
        (lambda: catalogue.set_alias("a", "b"), AlreadyExists),
        (lambda: catalogue.set_alias("y", "x"), InvalidInput),
        (lambda: catalogue.set_alias("y", "c"), NotFound),
        (lambda: catalogue.delete_alias("a"), NotFound),
    ):
        with pytest.raises(error):
            change()
    assert [(each.config.id, each.count()) for each in catalogue.list()] == [("a", 1), ("b", 2)]
    assert catalogue.aliases() == {"x": "a"}


def test_an_alias_swap_is_seen_by_all_at_once(catalogue):
    filled(catalogue, "a", 1)
    filled(catalogue, "b", 2)
    catalogue.set_alias("x", "a")
    stop, wrong = threading.Event(), []

    def look():
        while not stop.is_set():
            try:
                if (found := catalogue.get("x")).config.id not in ("a", "b"):
                    wrong.append(found)
            except NotFound as error:
                wrong.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(40):
        catalogue.set_alias("x", "ab"[number % 2])
        assert catalogue.get("x").count() == number % 2 + 1
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_renamed_collection_is_always_found_by_its_alias(catalogue):
    notes = filled(catalogue, "a")
    catalogue.set_alias("x", "a")
    stop, found = threading.Event(), set()

    def look():
        while not stop.is_set():
            try:
                found.add(catalogue.get("x"))
            except NotFound as error:
                found.add(error)

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(20):
        catalogue.rename("ab"[number % 2], "ba"[number % 2])
    stop.set()
    looking.join()
    assert found == {notes}


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
            connection.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
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
    spoil(folder_of(tmp_path, "bad"), how)
    again = Catalogue(tmp_path)
    assert names(again) == ["good"]
    assert again.get("good").count() == 3
    assert "collection 'bad' is not served" in caplog.text
    for _ in range(2):
        with pytest.raises(DataDamaged, match=r"bad\.[0-9a-f]{8}/records\.sqlite.*(restore|run the Frostline)"):
            again.get("bad")
    with pytest.raises(AlreadyExists):
        again.create(config("bad"))
    again.set_alias("worse", "bad")
    with pytest.raises(DataDamaged):
        again.get("worse")
    with pytest.raises(DataDamaged):
        again.rename("bad", "spoilt")
    again.close()
    again = Catalogue(tmp_path)
    with pytest.raises(DataDamaged):
        again.get("spoilt")
    again.delete("spoilt")
    assert again.aliases() == {}
    assert on_disk(tmp_path) == [*EMPTY[:2], "good", "names"]
    assert again.create(config("bad")).count() == 0
    again.close()


def test_an_error_that_nobody_thought_of_stops_neither_the_server_nor_the_other_collections(
    catalogue, tmp_path, caplog
):
    def broken(folder, name):
        if name == "bad":
            raise ZeroDivisionError("secret")
        return Collection(folder, name)

    filled(catalogue, "bad")
    filled(catalogue, "good")
    catalogue.close()
    again = Catalogue(tmp_path, open_collection=broken)
    assert names(again) == ["good"]
    with pytest.raises(DataDamaged, match=r"'bad' cannot be opened \(ZeroDivisionError\); the log says more"):
        again.get("bad")
    assert "secret" in caplog.text
    again.close()


@pytest.mark.parametrize("how", ["bit", "empty", "missing"])
def test_damaged_names_are_made_anew_without_aliases_and_the_log_says_so(catalogue, tmp_path, caplog, how):
    filled(catalogue, "a", 1)
    filled(catalogue, "b", 2)
    catalogue.rename("b", "c")
    catalogue.set_alias("x", "a")
    catalogue.close()
    spoil(folder_of(tmp_path, "a"), "empty")
    path = tmp_path / "names.json"
    damaged = path.read_bytes().replace(b'"x"', b'"y"')
    match how:
        case "bit":
            path.write_bytes(damaged)
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()
    again = Catalogue(tmp_path)
    assert (names(again), again.aliases()) == (["c"], {})
    assert again.get("c").count() == 2
    with pytest.raises(DataDamaged):
        again.get("a")
    assert "all aliases are lost" in caplog.text
    assert str(path) in caplog.text
    again.set_alias("x", "c")
    again.close()
    if how == "bit":
        assert (tmp_path / "names.json.damaged").read_bytes() == damaged
    assert (tmp_path / "names.json.damaged").exists() == (how != "missing")
    caplog.clear()
    again = Catalogue(tmp_path)
    assert (names(again), again.aliases()) == (["c"], {"x": "c"})
    assert "aliases" not in caplog.text
    again.close()


def test_folders_that_no_name_leads_to_are_reported_and_left_alone(catalogue, tmp_path, caplog):
    filled(catalogue, "a")
    catalogue.close()
    for name in ("lost.00000001", "mine", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text("valuable")
    for name in (".new-lost.00000002", ".deleted-lost.00000003"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text("not acknowledged, or deleted")
    (tmp_path / ".new-names.json").write_text("half")
    again = Catalogue(tmp_path)
    assert names(again) == ["a"]
    assert f"{tmp_path / 'lost.00000001'} belongs to no collection" in caplog.text
    for name in ("lost.00000001", "mine", ".hidden"):
        assert (tmp_path / name / "content").read_text() == "valuable"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".new-", ".deleted-"))]
    again.close()


def test_a_lost_folder_is_a_damaged_collection_that_can_be_deleted(catalogue, tmp_path):
    filled(catalogue, "a")
    filled(catalogue, "b")
    catalogue.close()
    durable_files.discard(folder_of(tmp_path, "a"))
    again = Catalogue(tmp_path)
    assert names(again) == ["b"]
    with pytest.raises(DataDamaged, match="restore the file from a backup"):
        again.get("a")
    again.delete("a")
    again.close()
    again = Catalogue(tmp_path)
    assert names(again) == ["b"]
    with pytest.raises(NotFound):
        again.get("a")
    again.close()


def test_what_cannot_be_removed_is_logged_and_stops_nothing(catalogue, tmp_path, caplog, monkeypatch):
    filled(catalogue, "a")
    catalogue.close()
    (tmp_path / ".deleted-old.00000001").mkdir()
    monkeypatch.setattr(durable_files.shutil, "rmtree", lambda *_, **__: None)
    again = Catalogue(tmp_path)
    assert names(again) == ["a"]
    assert "could not be removed" in caplog.text
    again.close()


def test_tidying_twice_changes_nothing(catalogue, tmp_path):
    filled(catalogue, "a")
    catalogue.close()
    file = leftovers.NamesFile(tmp_path)
    before = (tmp_path / "names.json").read_bytes()
    assert leftovers.tidied(tmp_path, file) == leftovers.tidied(tmp_path, file)
    assert (tmp_path / "names.json").read_bytes() == before


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
