import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fake_server import fake_server
from frostline.client import Client, Interaction
from frostline.indexer import BadSource, InteractionFields, export_interactions, import_interactions

SENT = [
    Interaction("ü", "a", -2.5, 1.7e9 + 0.25, "like"),
    Interaction('v, "w"\n', "b", 1e-3, -0.5),
    Interaction("x", "c", 3.0, 5.0),
]
KINDS = ("jsonl", "ndjson", "csv", "parquet")


@pytest.fixture
def fake():
    with fake_server() as server:
        yield server


@pytest.fixture
def client(fake):
    with Client(fake.target) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_exported_is_imported_as_it_was(fake, client, tmp_path, kind):
    client.record_interactions("notes", SENT)
    path, reports = tmp_path / f"all.{kind}", []
    done = export_interactions(client, "notes", path, on_progress=reports.append)
    assert (done.interactions, done.size_bytes) == (3, path.stat().st_size)
    assert (reports[-1].done, reports[-1].total) == (3, 3)
    fake.interactions.clear()
    for _ in range(2):  # nothing counts twice
        imported = import_interactions(client, path, "notes", on_progress=reports.append)
        assert (imported.rows, imported.recorded, imported.refused) == (3, 3, 0)
        assert list(client.list_interactions("notes")) == SENT
    assert reports[-1].done == 3
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_a_file_too(client, tmp_path, kind):
    path = tmp_path / f"none.{kind}"
    assert export_interactions(client, "notes", path, user="nobody").interactions == 0
    assert import_interactions(client, path, "notes").rows == 0


def test_a_file_is_not_replaced_unasked_and_kinds_are_known(client, tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("mine")
    with pytest.raises(BadSource, match="exists already"):
        export_interactions(client, "notes", path)
    assert path.read_text() == "mine"
    export_interactions(client, "notes", path, replace=True)
    assert path.read_text().startswith("user,record,weight,time,kind")
    with pytest.raises(BadSource, match=r"call it all.jsonl"):
        export_interactions(client, "notes", tmp_path / "all.txt")
    with pytest.raises(BadSource, match="of no known kind"):
        import_interactions(client, tmp_path / "all.txt", "notes")
    with pytest.raises(BadSource, match="does not exist"):
        import_interactions(client, tmp_path / "none.csv", "notes")


def write_rows(path, rows):
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_rows_that_are_refused_are_counted_by_reason_and_stop_no_other(client, tmp_path):
    rows = [
        {"user": 7, "record": "a", "weight": "4.5", "time": "2024-05-01T12:00:00Z"},
        "{",
        {"user": "u"},
        {"user": "u", "record": "none"},
        {"user": "u", "record": "b", "weight": None},
        {"user": "u", "record": True},
        {"user": "u", "record": "none", "kind": "x"},
        {"user": "u", "record": "c", "weight": "many"},
        {"user": "u", "record": "c", "time": "yesterday"},
        {"user": "u", "record": "c", "time": "2024-05-01T12:00:00"},
        '{"user": "\\ud800", "record": "c"}',
        {"user": "u", "record": "c", "kind": 7},
    ]
    done = import_interactions(client, write_rows(tmp_path / "r.jsonl", rows), "notes", batch_size=2)
    assert (done.rows, done.recorded, done.refused) == (12, 2, 10)
    assert done.reasons == {"WRONG_TYPE": 5, "NOT_FOUND": 2, "INVALID_JSON": 1, "MISSING_FIELD": 1, "NOT_UTF8": 1}
    assert {reason: each.row for reason, each in done.first.items()} == {
        "INVALID_JSON": 2,
        "MISSING_FIELD": 3,
        "NOT_FOUND": 4,
        "WRONG_TYPE": 6,
        "NOT_UTF8": 11,
    }
    assert "'u' with" not in done.first["WRONG_TYPE"].message
    time = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()
    first, second = client.list_interactions("notes")
    assert first == Interaction("7", "a", 4.5, time)
    assert second.weight == 1.0


MOVIES = InteractionFields(user="userId", record="movieId", weight="rating", time="timestamp")


def test_columns_have_other_names(client, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,260,4.0,964982703\n1,1,2.5\n2,260,5,964982704\n")
    done = import_interactions(client, path, "notes", fields=MOVIES)
    assert (done.recorded, done.reasons) == (2, {"INVALID_ROW": 1})
    assert list(client.list_interactions("notes", user="1")) == [Interaction("1", "260", 4.0, 964982703.0)]
    with pytest.raises(BadSource, match=r"no column 'user', it has 'userId', .*--user-field"):
        import_interactions(client, path, "notes")
    with pytest.raises(BadSource, match=r"no column 'stars'.*--weight-field"):
        import_interactions(client, path, "notes", fields=InteractionFields("userId", "movieId", "stars"))


def test_parquet_has_times_and_numbers(client, tmp_path):
    at = datetime(2024, 5, 1, tzinfo=UTC)
    table = pa.table({"userId": [1, 2], "movieId": ["a", "b"], "rating": [4, None], "timestamp": [at, None]})
    path = tmp_path / "ratings.parquet"
    pq.write_table(table, path)
    assert import_interactions(client, path, "notes", fields=MOVIES).recorded == 2
    first, second = client.list_interactions("notes")
    assert (first.weight, first.time, second.weight) == (4.0, at.timestamp(), 1.0)
