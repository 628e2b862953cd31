import contextlib
import sqlite3

import pytest

from frostline.server.collections.filters import sql
from frostline.server.collections.filters.grammar import parse


@pytest.fixture
def connection():
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE records (internal_id INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT")
        sql.register(connection)
        yield connection


def select(connection, text, parameters=None):
    condition, values = sql.where(parse(text, parameters or {}))
    rows = connection.execute(f"SELECT internal_id FROM records r WHERE {condition}", values).fetchall()
    return [row for (row,) in rows]


def insert(connection, *payloads):
    connection.executemany("INSERT INTO records (payload) VALUES (CAST(? AS TEXT))", ((each,) for each in payloads))


def test_keys_and_values_are_found_however_they_are_escaped(connection):
    insert(connection, b'{"a": "\\u0078y"}', b'{"\\u0061": "xy"}', b'{"a": "x\\/y"}', b'{"a": "xz"}')
    assert select(connection, "a = xy") == [1, 2]
    assert select(connection, 'a = "x/y"') == [3]
    assert select(connection, 'a = "x*"') == [1, 2, 3, 4]
    assert select(connection, "a IN (xy, xz)") == [1, 2, 4]
    assert select(connection, "a = xy OR a = xz") == [1, 2, 4]


def test_a_damaged_row_matches_nothing_and_spoils_no_other(connection):
    insert(connection, b'{"a": 1}', b'{"a": 1', b"\xff\xfe", b"[1]", b'{"a": "\xff"}', b"", b"[" * 100_000)
    assert select(connection, "a = 1") == [1]
    assert select(connection, "NOT a = 1") == [6]  # an empty payload is an empty object


def test_values_travel_as_parameters_only():
    condition, values = sql.where(parse("a = $p", {"p": "x'; DROP TABLE records"}))
    assert "DROP" not in condition
    assert condition.count("?") == len(values)
    assert all(isinstance(value, str) for value in values)


def test_the_filter_is_read_once_however_many_rows_there_are(connection, monkeypatch):
    insert(connection, *[b'{"a": 1}'] * 100)
    read = []
    decode = sql.decode
    monkeypatch.setattr(sql, "decode", lambda text: read.append(text) or decode(text))
    assert len(select(connection, "a IN $p", {"p": list(range(10_000))})) == 100
    assert len(read) == 1


def test_many_filters_on_one_connection(connection):
    insert(connection, *(b'{"a": %d}' % value for value in range(sql.KEPT_FILTERS + 10)))
    for value in range(sql.KEPT_FILTERS + 10):
        assert select(connection, f"a = {value}") == [value + 1]
    assert select(connection, "a = 0") == [1]
