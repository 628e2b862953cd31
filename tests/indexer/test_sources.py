import json
import os
import random
import subprocess
import sys
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.client import Record
from frostline.indexer import BadSource, IndexOptions, MissingExtra, open_source
from frostline.indexer.batches import cut
from frostline.indexer.rows import Position, Rejection, Row, Source

MAX = 2000


def options(**changes) -> IndexOptions:
    return IndexOptions(collection="notes", **{"max_row_bytes": MAX, **changes})


def opened(path: Path, **changes) -> Source:
    return open_source(str(path), options(**changes))


def records(source: Source, start: Position | None = None) -> dict[int, Record]:
    rows = source.rows(start or Position())
    return {row.number: row.record for row in rows if isinstance(row.record, Record)}


def reasons(source: Source) -> dict[int, str]:
    return {row.number: row.record.reason for row in source.rows(Position()) if isinstance(row.record, Rejection)}


def goes_on_anywhere(source: Source) -> None:
    whole = list(source.rows(Position()))
    assert len(whole) > 3
    for place, row in enumerate(whole):
        assert list(source.rows(row.end)) == whole[place + 1 :]


# JSON lines


def test_jsonl_bad_lines_are_rejected_with_their_reason(tmp_path):
    lines = [
        b'\xef\xbb\xbf{"text": "first, after a byte order mark"}',
        b'{"text": "cut',
        b'["text"]',
        b'{"other": "x"}',
        b'{"text": 7}',
        b'{"text": null}',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": "x", "n": NaN}',
        b'{"text": "' + b"x" * MAX + b'"}',
        b"[" * 1900,
        b'{"text": "x", "deep": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"text": "x", "big": ' + b"9" * 1800 + b"}",
        b"   ",
        '{"text": "last, ä"}'.encode(),
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\r\n".join(lines))
    source = opened(tmp_path / "a.jsonl")
    assert reasons(source) == {
        2: "INVALID_JSON",
        3: "WRONG_TYPE",
        4: "MISSING_FIELD",
        5: "WRONG_TYPE",
        6: "MISSING_FIELD",
        7: "NOT_UTF8",
        8: "NOT_UTF8",
        9: "INVALID_JSON",
        10: "TOO_LARGE",
        11: "INVALID_JSON",
    }
    assert [record.text for record in records(source).values()][::3] == ["first, after a byte order mark", "last, ä"]
    assert set(records(source)) == {1, 12, 13, 15}
    goes_on_anywhere(source)


def test_jsonl_fields_become_id_text_and_payload(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"key": 5, "body": "b", "tags": ["x", null], "n": 1.5, "more": {"a": true}}\n')
    payload = {"tags": ["x", None], "n": 1.5, "more": {"a": True}}
    source = opened(tmp_path / "a.jsonl", text_field="body", id_field="key")
    assert records(source) == {1: Record("5", text="b", payload=payload)}
    some = opened(tmp_path / "a.jsonl", text_field="body", payload_fields=("n", "gone", "key"))
    assert records(some) == {1: Record("a.jsonl:1", text="b", payload={"n": 1.5, "key": 5})}
    none = opened(tmp_path / "a.jsonl", text_field="body", payload_fields=())
    assert records(none)[1].payload == {}


@pytest.mark.parametrize("value", ["true", "1.5", '["a"]', "null", '"\\udc00"'])
def test_an_id_is_a_text_or_an_integer(tmp_path, value):
    (tmp_path / "a.jsonl").write_text(f'{{"id": {value}, "text": "x"}}\n')
    assert list(reasons(opened(tmp_path / "a.jsonl", id_field="id"))) == [1]


def test_jsonl_never_holds_the_file_in_memory(tmp_path):
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for number in range(5_000):
            file.write(json.dumps({"text": "word " * 200, "n": number}) + "\n")
        file.write("x" * 5_000_000 + "\n")  # one line without an end in sight
    tracemalloc.start()
    assert sum(1 for _ in opened(path).rows(Position())) == 5_001
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_images_named_in_rows_are_read_from_the_source_folder_only(tmp_path):
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").write_bytes(b"picture")
    (tmp_path / "data" / "large.png").write_bytes(b"x" * (MAX + 1))
    (tmp_path / "secret").write_bytes(b"secret")
    os.symlink(tmp_path / "secret", tmp_path / "data" / "link.png")
    names = ["images/a.png", "../secret", str(tmp_path / "secret"), "link.png", "gone.png", "large.png", "a\0b", 5, ""]
    path = tmp_path / "data" / "a.jsonl"
    path.write_text("".join(json.dumps({"file": name, "n": 1}) + "\n" for name in names))
    source = opened(path, image_field="file")
    assert records(source) == {1: Record("a.jsonl:1", image=b"picture", payload={"n": 1})}
    assert reasons(source) == {
        2: "UNREADABLE_FILE",
        3: "UNREADABLE_FILE",
        4: "UNREADABLE_FILE",
        5: "UNREADABLE_FILE",
        6: "TOO_LARGE",
        7: "UNREADABLE_FILE",
        8: "WRONG_TYPE",
        9: "UNREADABLE_FILE",
    }


# CSV


def test_csv_rows_with_quotes_line_breaks_and_blank_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(
        b'\xef\xbb\xbfid,text,n\r\n1,"a, b",x\r\n\r\n2,"two\nlines ""quoted""",y\r\n3,\xc3\xa4,z\r\n4,last,'
    )
    source = opened(tmp_path / "a.csv", id_field="id")
    assert records(source) == {
        1: Record("1", text="a, b", payload={"n": "x"}),
        2: Record("2", text='two\nlines "quoted"', payload={"n": "y"}),
        3: Record("3", text="ä", payload={"n": "z"}),
        4: Record("4", text="last", payload={"n": ""}),
    }
    goes_on_anywhere(source)


def test_csv_bad_rows_are_rejected_and_a_missing_quote_swallows_nothing(tmp_path):
    (tmp_path / "a.csv").write_bytes(
        b'id,text\n1,fine\n2\n3,a,b\n4,"open\n5,fine\n6,\xff\n7,"x"y\n'
        + b"8,"
        + b"x" * MAX
        + b'\n9,fine\n10,"never closed'
    )
    source = opened(tmp_path / "a.csv", id_field="id")
    assert [record.id for record in records(source).values()] == ["1", "5", "9"]
    found = reasons(source)
    assert set(found.values()) == {"INVALID_ROW", "NOT_UTF8"}
    assert len(found) == 7
    goes_on_anywhere(source)


def test_csv_names_a_missing_column(tmp_path):
    (tmp_path / "a.csv").write_text("id,body\n1,x\n")
    with pytest.raises(BadSource, match=r"has no column 'text', it has 'id', 'body'; choose with --text-field"):
        opened(tmp_path / "a.csv")
    with pytest.raises(BadSource, match="has no column 'n'"):
        opened(tmp_path / "a.csv", text_field="body", payload_fields=("n",))
    assert len(records(opened(tmp_path / "a.csv", text_field="body"))) == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,a\n", b"a,\xff\n", b'"open\n'])
def test_csv_needs_a_header(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadSource, match="has no header"):
        opened(tmp_path / "a.csv")


# Parquet


def table(path: Path, rows: int = 700, **columns) -> Path:
    given = {"id": list(range(rows)), "text": [f"text {n}" for n in range(rows)], **columns}
    pq.write_table(pa.table(given), path, row_group_size=300)
    return path


def test_parquet_rows_and_every_place_to_go_on(tmp_path):
    source = opened(table(tmp_path / "a.parquet"), id_field="id")
    assert source.total == 700
    found = records(source)
    assert list(found) == list(range(1, 701))
    assert found[301] == Record("300", text="text 300", payload={})
    for row in (1, 255, 256, 299, 300, 301, 599, 600, 699, 700):
        assert list(records(source, Position(row))) == list(range(row + 1, 701))


def test_parquet_values_become_json(tmp_path):
    path = table(
        tmp_path / "a.parquet",
        2,
        day=[date(2026, 1, 2)] * 2,
        time=[datetime(2026, 1, 2, 3, tzinfo=UTC)] * 2,
        price=[Decimal("1.10")] * 2,
        weight=[float("nan"), 0.5],
        tags=[["a"], None],
        inner=[{"a": 1}] * 2,
    )
    assert records(opened(path, payload_fields=("day", "time", "price", "weight", "tags", "inner")))[1].payload == {
        "day": "2026-01-02",
        "time": "2026-01-02T03:00:00+00:00",
        "price": "1.10",
        "weight": None,
        "tags": ["a"],
        "inner": {"a": 1},
    }


def test_parquet_rows_that_json_or_utf8_cannot_hold_are_rejected(tmp_path):
    bad_text = pa.array([b"fine", b"\xff", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"text": bad_text, "data": [None, None, b"bytes"]}), tmp_path / "a.parquet")
    source = opened(tmp_path / "a.parquet")
    assert list(records(source)) == [1]
    assert reasons(source) == {2: "INVALID_ROW", 3: "WRONG_TYPE"}
    assert list(records(opened(tmp_path / "a.parquet", payload_fields=()))) == [1, 3]


def test_parquet_holds_images_as_bytes_or_as_datasets_does(tmp_path):
    columns = {"image": [b"one", b"two"], "picture": [{"bytes": b"three", "path": None}, {"bytes": None, "path": "p"}]}
    path = table(tmp_path / "a.parquet", 2, **columns)
    (tmp_path / "p").write_bytes(b"four")
    for field, expected in (("image", [b"one", b"two"]), ("picture", [b"three", b"four"])):
        source = opened(path, image_field=field, payload_fields=())
        assert [record.image for record in records(source).values()] == expected


def test_parquet_never_holds_a_row_group_in_memory(tmp_path):
    path = tmp_path / "large.parquet"
    images = pa.table({"image": [bytes([number]) * (64 << 10) for number in range(256)]})
    pq.write_table(images, path, compression="none", use_dictionary=False, write_batch_size=1)
    del images
    before = pa.total_allocated_bytes()
    source = opened(path, image_field="image", max_row_bytes=1 << 20)
    held = [pa.total_allocated_bytes() - before for _ in source.rows(Position())]
    assert len(held) == 256
    assert max(held) < 6 << 20  # of 16 MiB


def test_parquet_that_is_none_or_lacks_a_column_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(BadSource, match="is no Parquet file"):
        opened(tmp_path / "a.parquet")
    with pytest.raises(BadSource, match="has no column 'body'"):
        opened(table(tmp_path / "b.parquet"), text_field="body")


def test_parquet_damaged_in_the_middle_says_where(tmp_path):
    path = table(tmp_path / "a.parquet", 3000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 - 300 : len(data) // 2 + 300] = bytes(600)
    path.write_bytes(data)
    with pytest.raises(BadSource, match=r"damaged after row \d+|is no Parquet"):
        list(opened(path).rows(Position()))


def test_without_pyarrow_the_missing_extra_is_named(tmp_path, monkeypatch):
    path = table(tmp_path / "a.parquet", 2)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"frostline\[indexer\]"):
        opened(path)


def test_pyarrow_is_loaded_for_parquet_only(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    code = (
        "import sys; from frostline.indexer import *;"
        f"open_source({str(tmp_path / 'a.jsonl')!r}, IndexOptions(collection='n')); print('pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# Folders of images


def test_a_folder_of_images_is_read_in_the_order_of_names(tmp_path):
    for name in ("b.png", "a/z.JPG", "a/y.webp", "c/d/e.gif", "notes.txt", "a.bmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "large.png").write_bytes(b"x" * (MAX + 1))
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.png").mkdir()
    source = opened(tmp_path)
    assert [record.id for record in records(source).values()] == ["a/y.webp", "a/z.JPG", "a.bmp", "b.png", "c/d/e.gif"]
    assert records(source)[1] == Record("a/y.webp", image=b"a/y.webp", payload={"path": "a/y.webp"})
    assert reasons(source) == {5: "UNREADABLE_FILE", 7: "TOO_LARGE"}
    assert source.total == 7
    goes_on_anywhere(source)


def test_a_name_that_is_no_utf8_is_rejected(tmp_path):
    (tmp_path / "fine.png").write_bytes(b"x")
    (Path(os.fsdecode(bytes(tmp_path) + b"/\xff.png"))).write_bytes(b"x")
    assert reasons(opened(tmp_path)) == {2: "NOT_UTF8"}


def test_a_changed_folder_has_another_identity(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    before = opened(tmp_path).identity
    assert opened(tmp_path).identity == before
    os.utime(tmp_path / "a.png", ns=(1, 1))
    changed = opened(tmp_path).identity
    assert changed != before
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert opened(tmp_path).identity not in (before, changed)


def test_a_folder_without_images_or_with_fields_is_refused(tmp_path):
    with pytest.raises(BadSource, match=r"holds no images; it is searched for \.bmp"):
        opened(tmp_path)
    with pytest.raises(BadSource, match="leave out --text-field, --id-field"):
        opened(tmp_path, text_field="a", id_field="b")


# What is no source


def test_what_is_no_source_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<a/>")
    with pytest.raises(BadSource, match=r"a.xml is of no known kind; give a .jsonl, .ndjson, .csv, .parquet file"):
        opened(tmp_path / "a.xml")
    with pytest.raises(BadSource, match="does not exist"):
        opened(tmp_path / "gone")
    with pytest.raises(BadSource, match="exclude each other"):
        options(text_field="a", image_field="b")
    with pytest.raises(BadSource, match="batch_size 0 is too small"):
        options(batch_size=0)


# Batches


def test_batches_are_cut_by_rows_and_by_bytes():
    chance = random.Random(3)
    for _ in range(200):
        rows = []
        for number in range(1, chance.randint(0, 40) + 1):
            bad = chance.random() < 0.3
            record = Rejection(number, "", "X", "x") if bad else Record(str(number), text="x")
            rows.append(Row(number, Position(number), record, 0 if bad else chance.randint(1, 60)))
        max_rows, max_bytes = chance.randint(1, 9), chance.randint(1, 100)
        batches = list(cut(rows, max_rows, max_bytes))
        assert [record for batch in batches for record in batch.records] == [
            row.record for row in rows if isinstance(row.record, Record)
        ]
        assert sorted(n for batch in batches for n in (*batch.numbers, *(r.row for r in batch.rejections))) == [
            row.number for row in rows
        ]
        for batch in batches:
            assert 1 <= len(batch) <= max_rows
            assert batch.size_bytes <= max_bytes or len(batch.records) == 1
            assert batch.end == Position(max([*batch.numbers, *(r.row for r in batch.rejections)]))
