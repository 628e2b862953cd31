import threading

import pytest

from cataloguing import EMPTY, filled, folder_of, names, on_disk
from collecting import config, record
from frostline.server import durable_files
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.rows.operations import Write
from frostline.server.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    StorageFull,
)


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


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
