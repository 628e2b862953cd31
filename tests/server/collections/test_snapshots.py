import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from collecting import config, record
from frostline.server import durable_files
from frostline.server.collections import snapshots
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.names import Names
from frostline.server.collections.rows import database
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.snapshots import Snapshots
from frostline.server.durable_files import read_json, write_json
from frostline.server.errors import AlreadyExists, DataDamaged, InvalidInput, NotFound, ShuttingDown, StorageFull


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "snapshots"


@pytest.fixture
def catalogue(tmp_path, folder):
    catalogue = Catalogue(tmp_path / "collections", snapshots=folder)
    yield catalogue
    catalogue.close()


def write(collection, *ids):
    collection.upsert([Write(record(each)) for each in ids]).result(10)


def ids(collection):
    return sorted(collection.get([str(number) for number in range(100)]))


def filled(catalogue, name="notes", count=3):
    collection = catalogue.create(config(name))
    write(collection, *map(str, range(count)))
    return collection


def test_a_snapshot_says_what_it_is_and_is_listed_newest_first(catalogue, folder):
    notes = filled(catalogue)
    other = filled(catalogue, "other", 1)
    before = datetime.now(UTC)
    first = catalogue.create_snapshot("notes")
    write(notes, "3", "4")
    second = catalogue.create_snapshot("notes")
    third = catalogue.create_snapshot("other")
    assert [(each.collection, each.sequence, each.record_count) for each in (first, second, third)] == [
        ("notes", 1, 3),
        ("notes", 2, 5),
        ("other", other.sequence, 1),
    ]
    assert before <= first.create_time <= second.create_time <= datetime.now(UTC)
    assert second.id == f"notes-2-{second.create_time:%Y%m%dT%H%M%SZ}"
    assert second.size_bytes == (folder / second.id / database.FILE_NAME).stat().st_size
    assert catalogue.snapshots() == [third, second, first]
    assert catalogue.snapshots("notes") == [second, first]
    assert catalogue.snapshots("missing") == []


def test_snapshots_are_found_under_every_name_of_their_collection(catalogue, folder, tmp_path):
    filled(catalogue)
    first = catalogue.create_snapshot("notes")
    catalogue.set_alias("live", "notes")
    second = catalogue.create_snapshot("live")
    assert [each.id for each in catalogue.snapshots("live")] == [second.id, first.id]
    catalogue.rename("notes", "renamed")
    catalogue.create(config())  # another that is called as the first was
    of_it = catalogue.create_snapshot("notes")
    catalogue.close()
    catalogue = Catalogue(tmp_path / "collections", snapshots=folder)
    for name in ("live", "renamed"):
        assert [(each.id, each.collection) for each in catalogue.snapshots(name)] == [
            (second.id, "renamed"),
            (first.id, "renamed"),
        ]
    assert catalogue.snapshots("notes") == [of_it]
    catalogue.delete("renamed")
    assert [each.id for each in catalogue.snapshots("notes")] == [of_it.id, second.id, first.id]
    assert catalogue.snapshots("live") == catalogue.snapshots("renamed") == []
    catalogue.close()


def test_a_snapshot_belongs_to_what_is_in_it_where_an_alias_is_moved_meanwhile(catalogue, monkeypatch):
    filled(catalogue)
    filled(catalogue, "other", 1)
    catalogue.set_alias("live", "notes")
    get = catalogue.get

    def get_late(*args):
        catalogue.set_alias("live", "other")
        return get(*args)

    monkeypatch.setattr(catalogue, "get", get_late)
    made = catalogue.create_snapshot("live")
    assert (made.collection, made.record_count) in (("notes", 3), ("other", 1))


def test_snapshots_of_earlier_servers_are_found_by_the_name_they_were_made_under(catalogue, folder):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    path = folder / made.id / "snapshot.json"
    about = read_json(path)
    del about["folder"]
    write_json(path, about)
    assert [each.id for each in catalogue.snapshots("notes")] == [made.id]


def test_snapshots_survive_a_restart_and_their_collection(catalogue, folder, tmp_path):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    catalogue.delete("notes")
    catalogue.close()
    again = Catalogue(tmp_path / "collections", snapshots=folder)
    assert again.snapshots() == [made]
    assert again.restore_snapshot(made.id, "notes").count() == 3
    again.close()


def test_a_restored_collection_has_what_the_snapshot_had_and_goes_its_own_way(catalogue, tmp_path, folder):
    notes = filled(catalogue)
    notes_config = notes.config
    catalogue.set_alias("current", "notes")
    made = catalogue.create_snapshot("current")
    assert made.collection == "notes"
    write(notes, "later")
    restored = catalogue.restore_snapshot(made.id, "restored")
    assert restored.config == notes_config.model_copy(update={"id": "restored"})
    assert (restored.count(), ids(restored)) == (3, ["0", "1", "2"])
    assert catalogue.aliases() == {"current": "notes"}
    write(restored, "9")
    assert (restored.count(), ids(restored)) == (4, ["0", "1", "2", "9"])
    assert ids(catalogue.restore_snapshot(made.id, "once-more")) == ["0", "1", "2"]
    catalogue.close()
    again = Catalogue(tmp_path / "collections", snapshots=folder)
    assert [each.config.id for each in again.list()] == ["notes", "once-more", "restored"]
    assert ids(again.get("restored")) == ["0", "1", "2", "9"]
    again.close()


def test_snapshots_of_one_commit_in_one_second_are_told_apart(catalogue, monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(snapshots, "datetime", Clock)
    filled(catalogue)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(catalogue.create_snapshot, ["notes"] * 4))
    assert sorted(each.id for each in made) == [f"notes-1-20260102T030405Z{end}" for end in ("", "-2", "-3", "-4")]
    assert len(catalogue.snapshots()) == 4


def test_a_snapshot_of_a_collection_that_is_written_is_of_one_commit(catalogue):
    notes = catalogue.create(config())
    stop = threading.Event()

    def write_pairs():
        number = 0
        while not stop.is_set():
            write(notes, f"a{number}", f"b{number}")
            number += 1

    writing = threading.Thread(target=write_pairs)
    writing.start()
    try:
        while notes.sequence < 5:
            pass
        made = [catalogue.create_snapshot("notes") for _ in range(5)]
    finally:
        stop.set()
        writing.join()
    assert made[-1].sequence > made[0].sequence >= 5
    for number, each in enumerate(made):
        restored = catalogue.restore_snapshot(each.id, f"restored-{number}")
        assert each.record_count == 2 * each.sequence == restored.count()
        assert restored.sequence >= each.sequence
        pairs = [f"{letter}{pair}" for pair in range(each.sequence) for letter in "ab"]
        assert len(restored.get(pairs)) == len(pairs)


def test_what_does_not_exist_is_not_found(catalogue):
    for name in ("missing", "", "..", "../collections", "notes-1-20260102T030405Z", "x" * 100_000, "notes-1-\0"):
        with pytest.raises(NotFound, match="does not exist") as missing:
            catalogue.restore_snapshot(name, "restored")
        assert len(str(missing.value)) < 500
        with pytest.raises(NotFound, match="does not exist"):
            catalogue.delete_snapshot(name)
    with pytest.raises(NotFound, match="collection 'missing' does not exist"):
        catalogue.create_snapshot("missing")
    assert catalogue.list() == []


def test_a_snapshot_takes_no_name_that_is_taken_or_refused(catalogue):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    catalogue.set_alias("current", "notes")
    for name in ("notes", "current"):
        with pytest.raises(AlreadyExists):
            catalogue.restore_snapshot(made.id, name)
    with pytest.raises(InvalidInput):
        catalogue.restore_snapshot(made.id, "../outside")
    assert len(catalogue.list()) == 1


def test_a_deleted_snapshot_is_gone(catalogue, folder):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    catalogue.delete_snapshot(made.id)
    assert catalogue.snapshots() == []
    assert list(folder.iterdir()) == []
    with pytest.raises(NotFound):
        catalogue.delete_snapshot(made.id)


def spoil(path, how):
    match how:
        case "bit":
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "longer":
            path.write_bytes(path.read_bytes() + b"0")
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()


@pytest.mark.parametrize("how", ["bit", "cut", "longer", "empty", "missing"])
@pytest.mark.parametrize("file", [database.FILE_NAME, snapshots.DESCRIPTION])
def test_a_damaged_snapshot_is_not_restored_and_can_be_deleted(catalogue, tmp_path, folder, caplog, file, how):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    good = catalogue.create_snapshot("notes")
    spoil(folder / made.id / file, how)
    with pytest.raises(DataDamaged, match=f"snapshot '{made.id}' is damaged: .*{file}.*from a backup, or delete it"):
        catalogue.restore_snapshot(made.id, "restored")
    assert [each.config.id for each in catalogue.list()] == ["notes"]
    assert len([path for path in (tmp_path / "collections").iterdir() if path.is_dir()]) == 1
    if file == database.FILE_NAME:
        assert catalogue.snapshots() == [good, made]
    else:
        assert catalogue.snapshots() == [good]
        assert f"snapshot '{made.id}' is damaged" in caplog.text
    catalogue.delete_snapshot(made.id)
    assert [path.name for path in folder.iterdir()] == [good.id]


def test_a_start_removes_what_is_unfinished_and_nothing_else(catalogue, tmp_path, folder):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    for name in (".new-1", ".deleted-1", "mine"):
        (folder / name).mkdir()
        (folder / name / database.FILE_NAME).write_bytes(b"half")
    again = Snapshots(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([made.id, "mine"])
    assert again.list(Names()) == [made]


@pytest.mark.parametrize("step", ["snapshot", "write_json", "restore"])
def test_a_full_disk_says_so_and_leaves_nothing(catalogue, folder, tmp_path, monkeypatch, step):
    notes = filled(catalogue)
    made = catalogue.create_snapshot("notes")

    def full(*_):
        raise OSError(28, "No space left on device")

    if step == "restore":
        monkeypatch.setattr(snapshots.os, "fsync", full)
    elif step == "write_json":
        monkeypatch.setattr(snapshots, "write_json", full)
    else:
        monkeypatch.setattr(notes, "snapshot", full)
    changes = {"restore": ("restore_snapshot", made.id, "restored")}
    change, *arguments = changes.get(step, ("create_snapshot", "notes"))
    with pytest.raises(StorageFull, match=r"no room for (a snapshot of )?collection .*free some space"):
        getattr(catalogue, change)(*arguments)
    monkeypatch.undo()
    assert [path.name for path in folder.iterdir()] == [made.id]
    assert [path.name.partition(".")[0] for path in (tmp_path / "collections").iterdir() if path.is_dir()] == ["notes"]
    assert catalogue.restore_snapshot(made.id, "restored").count() == 3


def test_a_copy_can_be_read_by_sqlite_alone(catalogue, folder):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    assert sorted(path.name for path in (folder / made.id).iterdir()) == [database.FILE_NAME, snapshots.DESCRIPTION]
    with contextlib.closing(sqlite3.connect(folder / made.id / database.FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (3,)


def test_a_closed_catalogue_makes_and_restores_none(catalogue, folder):
    filled(catalogue)
    made = catalogue.create_snapshot("notes")
    catalogue.close()
    with pytest.raises(ShuttingDown):
        catalogue.create_snapshot("notes")
    with pytest.raises(ShuttingDown):
        catalogue.restore_snapshot(made.id, "restored")
    assert [path.name for path in folder.iterdir()] == [made.id]


def test_only_whole_content_is_described(tmp_path):
    path = tmp_path / "content.json"
    durable_files.write_json(path, {"a": 1, "b": {"c": "ü"}})
    assert durable_files.read_json(path) == {"a": 1, "b": {"c": "ü"}}
    path.write_text('{"a": 1}')
    with pytest.raises(DataDamaged, match="checksum"):
        durable_files.read_json(path)
    path.write_text("[]")
    with pytest.raises(DataDamaged, match="no JSON object"):
        durable_files.read_json(path)
