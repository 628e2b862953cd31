"""A damaged row is named and the rest is served; a damaged page names the collection and says how to restore it."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.rows import database
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.search.query import SearchOptions
from frostline.server.errors import DataDamaged

ROWS = 400
QUERY = np.ones((1, 4), np.float32)


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    notes = catalogue.create(config())
    notes.upsert([Write(record(f"r{n}", text=f"text {n} " * 20, n=n)) for n in range(ROWS)]).result(30)
    catalogue.close()
    return tmp_path


def file_of(folder):
    (path,) = folder.glob(f"*/{database.FILE_NAME}")
    return path


@pytest.mark.parametrize(
    ("damage", "options"),
    [
        ("UPDATE records SET payload = replace(payload, '7', '8') WHERE id = 'r7'", {}),
        ("UPDATE records SET sequence = 5 WHERE id = 'r7'", {}),
        ("UPDATE records SET text = 'text 8' WHERE id = 'r7'", {"content": True}),
        ("UPDATE vectors SET vector = zeroblob(16) WHERE key / 16 = 8", {"vectors": True}),
        ("UPDATE vectors SET vector = zeroblob(15) WHERE key / 16 = 8", {"vectors": True}),
    ],
)
def test_a_damaged_row_is_named_and_the_rest_is_served(catalogue, caplog, damage, options):
    with closing(sqlite3.connect(file_of(catalogue))) as connection:
        assert connection.execute(damage).rowcount == 1
        connection.commit()
    catalogue = Catalogue(catalogue)
    notes = catalogue.get("notes")
    found = notes.get([f"r{n}" for n in range(ROWS)], **options)
    assert isinstance(found.pop("r7"), DataDamaged)
    assert [each.id for each in found.values()] == [f"r{n}" for n in range(ROWS) if n != 7]
    with pytest.raises(DataDamaged, match="'r7'"):
        raise notes.get(["r7"], **options)["r7"]
    page, _ = notes.page(0, ROWS, **options)
    assert [each.id for each in page] == list(found)
    assert "'r7'" in caplog.text
    hits = notes.search_vectors(QUERY, 0, SearchOptions(limit=ROWS, payloads=True))
    assert set(hits.ids[0]) - {"r7"} == set(found)
    notes.upsert([Write(record("r7", n=7))]).result(30)
    assert notes.get(["r7"], vectors=True, content=True)["r7"].payload == b'{"n": 7}'
    catalogue.close()


def pages(path):
    return range(1, path.stat().st_size // database.PAGE_SIZE)


def overwrite(path, page):
    with path.open("r+b") as file:
        file.seek(page * database.PAGE_SIZE)
        file.write(b"\xa5" * database.PAGE_SIZE)


def test_a_damaged_page_is_never_passed_over(catalogue, caplog):
    """Each page in turn: at start, or when it is read, the collection is named and what to do; never less is found."""
    folder, path = catalogue, file_of(catalogue)
    content = path.read_bytes()
    pattern = rf"notes\.[0-9a-f]{{8}}/{database.FILE_NAME} is damaged.*restore the file from a backup"
    seen = 0
    for page in pages(path):
        path.write_bytes(content)
        overwrite(path, page)
        caplog.clear()
        catalogue = Catalogue(folder)
        try:
            notes = catalogue.get("notes")
            found = notes.get([f"r{n}" for n in range(ROWS)], vectors=True, content=True)
            assert len(found) == ROWS
            damaged = [each for each in found.values() if isinstance(each, DataDamaged)]
            if damaged or "damaged" in caplog.text:
                seen += 1
            else:
                hits = notes.search_vectors(QUERY, 0, SearchOptions(limit=ROWS, payloads=True))
                assert len(hits.ids[0]) == ROWS
        except DataDamaged as error:
            seen += 1
            with pytest.raises(DataDamaged, match=pattern):
                raise error
        catalogue.close()
        for log in path.parent.glob(f"{database.FILE_NAME}-*"):
            log.unlink()
    assert seen > len(pages(path)) // 2
