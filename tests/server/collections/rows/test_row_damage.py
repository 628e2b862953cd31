"""A damaged row is named, the others are served, and what is written again in its place is whole."""

import contextlib
import re
import sqlite3

import numpy as np
import pytest

from collecting import config, record, vector_field
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.rows.operations import PayloadPatch, Write
from frostline.server.collections.search.query import SearchOptions, SearchQuery
from frostline.server.errors import DataDamaged

DAMAGE = {
    "payload": ("UPDATE records SET payload = ? WHERE id = 'b'", '{"n": 9}'),
    "record crc": ("UPDATE records SET crc = crc + ? WHERE id = 'b'", 1),
    "sequence": ("UPDATE records SET sequence = ? WHERE id = 'b'", 7),
    "swapped id": ("UPDATE records SET id = ? WHERE id = 'b'", "z"),
    "vector": ("UPDATE vectors SET vector = ? WHERE key = 2 * 16", np.ones(4, "<f4").tobytes()),
    "short vector": ("UPDATE vectors SET vector = ? WHERE key = 2 * 16", b"\0" * 12),
    "no vector": ("DELETE FROM vectors WHERE key = ?", 2 * 16),
    "another's vector": ("UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE key = ?) WHERE key = 32", 16),
}
HEAD = {"payload", "record crc", "sequence", "swapped id"}


@pytest.fixture
def folder(tmp_path):
    """A closed catalogue with three records."""
    catalogue = Catalogue(tmp_path)
    upsert(catalogue.create(config()), *(record(name, [n, 0, 0, 0], text=name, n=n) for n, name in enumerate("abc", 1)))
    catalogue.close()
    return tmp_path


def upsert(collection, *records):
    return collection.upsert([Write(each) for each in records]).result(10)


def damage(folder, statement, *values):
    (path,) = folder.glob("notes.*/records.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def ids_of(notes, **options):
    return notes.search_vectors(np.array([[1, 0, 0, 0]], np.float32), 0, SearchOptions(**options)).ids[0]


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_row_is_named_and_the_others_are_served(folder, caplog, kind):
    damage(folder, *DAMAGE[kind])
    catalogue = Catalogue(folder)
    name = "z" if kind == "swapped id" else "b"
    notes = catalogue.get("notes")
    assert ids_of(notes) == ids_of(notes, payloads=True) == ["c", "a"]
    assert notes.count() == 2
    sound, damaged = notes.get(["a", name], vectors=True).values()
    assert sound.id == "a"
    assert isinstance(damaged, DataDamaged)
    assert re.match(f"record '{name}' .*write it again or delete it", str(damaged))
    assert list(notes.stored(["a", name, "c"])) == (["a", "c"] if kind in HEAD else ["a", name, "c"])
    assert [each.id for each in notes.page(0, 10, vectors=True)[0]] == ["a", "c"]
    assert f"record '{name}'" in caplog.text
    upsert(notes, record(name, [9, 0, 0, 0]))
    assert ids_of(notes) == [name, "c", "a"]
    assert notes.get([name], vectors=True)[name].vectors["default"][0] == 9
    catalogue.close()


def test_the_words_of_a_damaged_row_lead_nobody_astray(folder):
    damage(folder, *DAMAGE["vector"])
    catalogue = Catalogue(folder)
    hits = catalogue.get("notes").search([SearchQuery(keywords="a b c")], SearchOptions(limit=3, payloads=True))
    assert sorted(zip(hits.ids[0], hits.payloads[0], strict=True)) == [("a", b'{"n": 1}'), ("c", b'{"n": 3}')]
    assert len(hits.scores[0]) == 2
    catalogue.close()


def test_a_damaged_row_can_be_deleted(folder):
    damage(folder, *DAMAGE["payload"])
    catalogue = Catalogue(folder)
    assert catalogue.get("notes").delete(["b"]).result(10).count == 1
    assert list(catalogue.get("notes").get(["a", "b", "c"])) == ["a", "c"]
    catalogue.close()


@pytest.mark.parametrize("value", ["other", None])
def test_damaged_content_is_named_when_it_is_asked_for(folder, value):
    damage(folder, "UPDATE records SET text = ? WHERE id = 'b'", value)
    catalogue = Catalogue(folder)
    notes = catalogue.get("notes")
    assert ids_of(notes) == ["c", "b", "a"]
    assert notes.get(["b"], vectors=True)["b"].payload == b'{"n": 2}'
    damaged = notes.get(["b"], content=True)["b"]
    assert isinstance(damaged, DataDamaged)
    assert re.match(r"record 'b' .*its content", str(damaged))
    catalogue.close()


def test_a_row_damaged_while_serving_is_left_out_of_hits(folder, caplog):
    catalogue = Catalogue(folder)
    notes = catalogue.get("notes")
    damage(folder, "UPDATE records SET payload = '{\"x\": 1}' WHERE id = ?", "b")
    assert ids_of(notes, payloads=True) == ["c", "a"]
    assert "record 'b'" in caplog.text
    assert ids_of(notes) == ["c", "b", "a"]  # its payload is not read
    catalogue.close()


def test_one_of_several_vectors_that_vanished_is_missed_and_one_that_was_never_there_is_not(tmp_path):
    catalogue = Catalogue(tmp_path)
    notes = catalogue.create(config(vectors=(vector_field("title"), vector_field("photo", 2))))
    both = {"title": [1, 0, 0, 0], "photo": [1, 0]}
    upsert(notes, record("a", both), record("b", both), record("c", {"photo": [0, 1]}), record("d", None))
    assert notes.patch([PayloadPatch("a", {"n": 1})]).result(10).errors == {}
    again = Write(record("b", None, n=2), keeps_vectors=True)
    assert notes.upsert([again, Write(record("c", None, n=3), keeps_vectors=True)]).result(10).errors == {}
    assert {name: set(found.vectors) for name, found in notes.get([*"abcd"], vectors=True).items()} == {
        "a": {"title", "photo"},
        "b": {"title", "photo"},
        "c": {"photo"},
        "d": set(),
    }
    catalogue.close()
    damage(tmp_path, "DELETE FROM vectors WHERE key = (SELECT internal_id FROM records WHERE id = 'b') * ? + 1", 16)
    catalogue = Catalogue(tmp_path)
    notes = catalogue.get("notes")
    found = notes.get([*"abcd"], payloads=False, vectors=True)
    assert re.match("record 'b' .*its vector 'photo', which is gone, is not what was written", str(found.pop("b")))
    assert [each.id for each in found.values()] == ["a", "c", "d"]
    for refused in (notes.patch([PayloadPatch("b", {})]), notes.upsert([again])):
        assert isinstance(refused.result(10).errors[0], DataDamaged)
    upsert(notes, record("b", both))
    assert set(notes.get(["b"], vectors=True)["b"].vectors) == {"title", "photo"}
    catalogue.close()
