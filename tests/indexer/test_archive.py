"""Export and import through the public client, against a real server."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
from frostline.client import Client, Record, SpaceMismatch, VectorField
from frostline.indexer import BadSource, ImportOptions, export, import_records
from serving import running_server

ODD_TEXTS = ["", "plain", "schön — 東京 🦊", "a\u0000b", "line\nbreak", 'quote " and \\ slash', "\u202eright to left"]


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    return tiny.tiny_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def client(tmp_path_factory, encoder_folder):
    with running_server(tmp_path_factory.mktemp("data"), encoders="") as server, Client(server.target) as client:
        client.add_encoder("tiny", folder=encoder_folder)
        client.add_encoder("other", folder=tiny.tiny_bert(tmp_path_factory.mktemp("other"), seed=1))
        yield client


@pytest.fixture(scope="module")
def things(client):
    """A collection with three named vectors, some of them missing, and everything awkward in texts and payloads."""
    client.create_collection(
        "things",
        description="Things — 物",
        vectors={
            "title": VectorField("tiny", document_prompt="title: ", query_prompt="find: "),
            "look": VectorField(dimensions=3, metric="euclidean"),
            "sound": VectorField(dimensions=5, metric="dot"),
        },
        fields={"n": "integer", "author.name": "keyword"},
        index="flat",
        min_recall=0.9,
        durability="relaxed",
    )
    chance = np.random.default_rng(0)
    records = []
    for n in range(300):
        vectors = {}
        if n % 2:
            vectors["look"] = chance.standard_normal(3).astype(np.float32) * np.float32(10.0 ** (n % 30 - 15))
        if n % 3 == 0 or n % 7 == 0:
            vectors["sound"] = chance.standard_normal(5).astype(np.float32)
            vectors["sound"][0] = (-0.0, 1e-45, 3.4e-38)[n % 3]  # signed zero and subnormal numbers
        text = ODD_TEXTS[n % len(ODD_TEXTS)] or None
        if text is None and not vectors:
            text = "only text"
        payload = {
            "n": n,
            "big": 2**53 + n,
            "x": 0.1 * n,
            "t": ODD_TEXTS[n % 7],
            "author": {"name": None},
            "l": [1, {}],
        }
        image = bytes(range(n % 256)) if n % 5 == 0 else None
        records.append(Record(f"ré/{n}", text=text, image=image, vectors=vectors, payload=payload if n % 4 else {}))
    assert client.upsert("things", records, batch_size=64).errors == {}
    return "things"


def columns(path):
    """The columns of a file; vectors as bytes, so that equal means equal bit for bit."""
    table = pq.read_table(path)
    found = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if name.startswith("vector:"):
            rows = column.flatten().to_numpy().reshape(-1, column.type.list_size)
            left = iter(rows)
            found[name] = [next(left).tobytes() if valid else None for valid in column.is_valid().to_pylist()]
        else:
            found[name] = column.to_pylist()
    return found


def bits(record):
    own = {name: vector.tobytes() for name, vector in record.vectors.items()}
    first = None if record.vector is None else record.vector.tobytes()
    return record.id, record.text, record.image, json.dumps(record.payload), first, own


def everything(client, name):
    return [bits(record) for record in client.list_records(name, include_vectors=True, include_content=True)]


def moved(client, things, tmp_path, name, path=None):
    path = path or tmp_path / "things.parquet"
    if not path.exists():
        export(client, things, path)
    return import_records(client, path, ImportOptions(collection=name, work_dir=tmp_path / "work"))


def test_export_and_import_give_the_same_records_bit_for_bit(client, things, tmp_path):
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    exported = export(client, things, first)
    assert (exported.records, exported.unreadable, exported.written_meanwhile) == (300, 0, 0)
    assert exported.size_bytes == first.stat().st_size
    summary = import_records(client, first, ImportOptions(collection="again", work_dir=tmp_path / "work"))
    assert (summary.rows, summary.indexed, summary.rejected) == (300, 300, 0)
    export(client, "again", second)
    assert everything(client, "again") == everything(client, things)
    assert columns(second) == columns(first)
    found = columns(first)
    assert found["vector:sound"].count(None) > 100
    assert found["vector:look"].count(None) == 150
    assert None in found["vector:title"]
    assert None in found["text"]
    assert len(list(tmp_path.iterdir())) == 3  # no temporary file is left


def test_an_imported_collection_has_the_configuration_of_the_exported_one(client, things, tmp_path):
    moved(client, things, tmp_path, "configured")
    before, after = client.get_collection(things), client.get_collection("configured")
    assert list(before.vectors.items()) == list(after.vectors.items())
    assert [field.space for field in before.vectors.values()] == [field.space for field in after.vectors.values()]
    for name in ("description", "keep_content", "fields", "index", "min_recall", "durability"):
        assert getattr(after, name) == getattr(before, name), name


def test_the_file_says_what_it_holds_to_any_reader_of_parquet(client, things, tmp_path):
    path = tmp_path / "things.parquet"
    export(client, things, path, filter="n < $most", parameters={"most": 10})
    schema = pq.read_schema(path)
    assert schema.names == ["id", "payload", "text", "image", "vector:title", "vector:look", "vector:sound"]
    assert schema.field("vector:look").type == pa.list_(pa.float32(), 3)
    held = json.loads(schema.metadata[b"frostline"])["collection"]
    assert held["vectors"]["title"]["space"]["fingerprint"] == client.get_encoder("tiny").fingerprint
    assert [json.loads(text)["n"] for text in columns(path)["payload"]] == [1, 2, 3, 5, 6, 7, 9]  # n % 4 == 0 has none


def test_a_large_collection_is_written_in_groups_and_an_import_goes_on_where_it_stopped(client, tmp_path, monkeypatch):
    monkeypatch.setattr("frostline.indexer.exporting._GROUP_ROWS", 100)
    chance = np.random.default_rng(1)
    client.create_collection("many", dimensions=4)
    client.upsert_vectors("many", [f"m{n}" for n in range(1050)], chance.standard_normal((1050, 4)))
    path, options = (
        tmp_path / "many.parquet",
        ImportOptions(collection="many-again", work_dir=tmp_path / "work", batch_size=70),
    )
    export(client, "many", path)
    assert pq.read_metadata(path).num_row_groups == 11

    class Killed(BaseException):
        pass

    def dies(state):
        if state.done >= 350:
            raise Killed

    with pytest.raises(Killed):
        import_records(client, path, options, dies)
    summary = import_records(client, path, options)
    assert summary.resumed == 350
    assert summary.rows == summary.indexed == 1050
    assert everything(client, "many-again") == everything(client, "many")


def test_what_is_damaged_or_foreign_is_refused_with_what_is_wrong(client, things, tmp_path):
    good = tmp_path / "things.parquet"
    export(client, things, good)
    data = good.read_bytes()

    def refused(content, says, error=BadSource):
        path = tmp_path / "bad.parquet"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
        with pytest.raises(error, match=says):
            import_records(client, path, ImportOptions(collection="bad", work_dir=tmp_path / "work", restart=True))

    table = pq.read_table(good)
    refused(b"PAR1 no", "is no Parquet file")
    refused(data[: len(data) // 2], "is no Parquet file")
    refused(data[:-40] + bytes(40), "is no Parquet file")
    refused(table.replace_schema_metadata({}), "not written by `frostline export`")
    refused(table.replace_schema_metadata({"frostline": "{"}), "does not say rightly which collection")
    refused(table.replace_schema_metadata({"frostline": '{"format": 2}'}), "has format 2")
    refused(table.drop_columns(["text"]), "column 'text' of type none, and its metadata says string")
    refused(table.cast(_with(table.schema, "payload", pa.binary())), "column 'payload' of type binary")
    held = json.loads(table.schema.metadata[b"frostline"])
    for change in ({"dimensions": -1}, {"dimensions": 10**9}, {"pooling": 3}):
        held["collection"]["vectors"]["look"]["space"].update(change)
        refused(table.replace_schema_metadata({"frostline": json.dumps(held)}), "does not say rightly")
    assert "bad" not in [each.name for each in client.list_collections()]
    flipped = bytearray(data)
    flipped[len(data) // 3] ^= 1
    refused(bytes(flipped), "is damaged after row")
    with pytest.raises(BadSource, match="is no file"):
        import_records(client, tmp_path / "gone.parquet", ImportOptions(collection="bad", work_dir=tmp_path / "work"))


def _with(schema, name, kind):
    return schema.set(schema.get_field_index(name), pa.field(name, kind))


def test_rows_that_cannot_be_read_are_rejected_alone(client, things, tmp_path):
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    export(client, things, good)
    table = pq.read_table(good)
    payloads = table["payload"].to_pylist()
    payloads[3], payloads[4], payloads[5] = "{", "[]", '{"x": 1e999}'
    vectors = table["vector:look"].to_pylist()
    vectors[7] = [1.0, float("nan"), 0.0]
    table = table.set_column(1, table.schema.field("payload"), pa.array(payloads))
    place = table.schema.get_field_index("vector:look")
    table = table.set_column(place, table.schema.field(place), pa.array(vectors, table.schema.field(place).type))
    pq.write_table(table, bad)
    summary = moved(client, things, tmp_path, "partly", bad)
    assert (summary.indexed, summary.rejected) == (296, 4)
    listed = [json.loads(line) for line in summary.rejected_path.read_text().splitlines()]
    assert [(row["row"], row["id"], row["reason"]) for row in listed] == [
        (4, "ré/3", "INVALID_JSON"),
        (5, "ré/4", "WRONG_TYPE"),
        (6, "ré/5", "WRONG_TYPE"),
        (8, "ré/7", "INVALID_INPUT"),
    ]


def test_vectors_of_another_space_are_refused_with_what_to_do(client, things, tmp_path, encoder_folder):
    path = tmp_path / "things.parquet"
    export(client, things, path)
    client.create_collection("elsewhere", vectors={"title": VectorField("other"), "look": VectorField(dimensions=3)})
    with pytest.raises(SpaceMismatch, match=r"vector 'title' of collection 'elsewhere' lives in .*reembed"):
        moved(client, things, tmp_path, "elsewhere", path)
    client.create_collection("fewer", vectors={"title": VectorField("tiny", document_prompt="title: ")})
    with pytest.raises(BadSource, match="'fewer' has no vector 'look', it has title"):
        moved(client, things, tmp_path, "fewer", path)
    with running_server(tmp_path / "data", encoders="") as server, Client(server.target) as another:
        with pytest.raises(SpaceMismatch, match="has no such encoder; add the one they were made with"):
            moved(another, things, tmp_path, "things", path)
        another.add_encoder("tiny", folder=tiny.tiny_bert(tmp_path / "other", seed=5))
        with pytest.raises(SpaceMismatch, match="has an encoder 'tiny' with fingerprint"):
            moved(another, things, tmp_path, "things", path)
        another.add_encoder("the-same", folder=encoder_folder)
        moved(another, things, tmp_path, "things", path)
        assert another.get_collection("things").vectors["title"].encoder == "the-same"
        assert everything(another, "things") == everything(client, things)


def test_an_export_replaces_nothing_unasked_and_leaves_nothing_half(client, things, tmp_path, monkeypatch):
    path = tmp_path / "things.parquet"
    path.write_bytes(b"mine")
    with pytest.raises(BadSource, match="exists already"):
        export(client, things, path)

    def stops(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(client, things, path, replace=True, on_progress=stops)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"mine"]
    export(client, things, path, replace=True)
    assert pq.read_metadata(path).num_rows == 300
