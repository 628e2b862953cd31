import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.client import Example
from frostline.indexer import BadSource, read_examples

CAT, DOG = Example(text="miaow", label="cat"), Example(text="woof", label="dog")


@pytest.fixture
def lines(tmp_path):
    """Writes rows.jsonl of objects, or of texts as they are."""

    def write(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        return str(path)

    return write


@pytest.fixture
def table(tmp_path):
    def write(**columns):
        pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
        return str(tmp_path / "rows.parquet")

    return write


def test_lines_of_json(lines):
    path = lines({"text": "miaow", "label": "cat", "more": [1]}, "", {"label": "dog", "text": "woof"})
    assert read_examples(path) == [CAT, DOG]


def test_labels_may_be_numbers_and_booleans(lines):
    path = lines({"body": "a", "kind": 3}, {"body": "b", "kind": True}, {"body": "c", "kind": 1.5})
    labels = [example.label for example in read_examples(path, text_field="body", label_field="kind")]
    assert labels == ["3", "true", "1.5"]


def test_groups_come_from_a_field_of_any_kind_of_rows(lines, table):
    path = lines({"text": "miaow", "label": "cat", "age": 3}, {"text": "woof", "label": "dog", "age": 7})
    assert [example.group for example in read_examples(path, group_field="age")] == ["3", "7"]
    path = table(text=["miaow", "woof"], label=["cat", "dog"], by=["a", "b"], raw=[b"\xff", b"\xff"])
    assert [example.group for example in read_examples(path, group_field="by")] == ["a", "b"]


def test_a_missing_group_says_which_row_and_which_option(lines):
    path = lines({"text": "miaow", "label": "cat", "age": 3}, {"text": "woof", "label": "dog"})
    with pytest.raises(BadSource, match=r"row 2 of .* has no 'age', it has 'text', 'label'; .*--group-field"):
        read_examples(path, group_field="age")


def test_csv(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("n,label,text\n1,cat,miaow\n2,dog,woof\n")
    assert read_examples(str(path)) == [CAT, DOG]


def test_parquet_with_columns_that_no_payload_can_hold(table):
    assert read_examples(table(text=["miaow", "woof"], label=["cat", "dog"], raw=[b"\xff", b"\xff"])) == [CAT, DOG]


def test_images_of_parquet(table):
    path = table(image=[b"\x89", b"\xff"], label=["cat", "dog"], text=["a", "b"])
    found = read_examples(path, image_field="image")
    assert found == [Example(image=b"\x89", label="cat"), Example(image=b"\xff", label="dog")]


def test_a_folder_of_images_for_each_label_is_listed_but_not_read(tmp_path):
    for name in ("dog/b.jpg", "cat/deep/a.png", "cat/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    assert read_examples(str(tmp_path)) == [
        Example(image=tmp_path / "cat/deep/a.png", label="cat"),
        Example(image=tmp_path / "dog/b.jpg", label="dog"),
    ]


def test_an_image_without_a_label_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(BadSource, match=r"a\.png lies in no folder of a label"):
        read_examples(str(tmp_path))


@pytest.mark.parametrize("option", ["text_field", "image_field", "label_field", "group_field"])
def test_a_folder_has_no_fields(tmp_path, option):
    with pytest.raises(BadSource, match=f"leave out --{option.replace('_', '-')}$"):
        read_examples(str(tmp_path), **{option: "x"})


def test_a_missing_label_says_which_row_and_which_fields(lines):
    path = lines({"text": "miaow", "label": "cat"}, {"text": "woof", "kind": "dog"})
    with pytest.raises(
        BadSource, match=r"row 2 of .*rows\.jsonl has no 'label', it has 'text', 'kind'; .*--label-field"
    ):
        read_examples(path)


def test_a_missing_text_says_which_row_and_which_fields(lines):
    with pytest.raises(BadSource, match=r"row 1 of .* is no example: row has no 'text', it has 'body', 'label'"):
        read_examples(lines({"body": "miaow", "label": "cat"}))


@pytest.mark.parametrize(("options", "named"), [({}, "label"), ({"label_field": "kind", "text_field": "t"}, "text")])
def test_a_missing_column_says_which_columns_and_which_option(tmp_path, options, named):
    path = tmp_path / "rows.csv"
    path.write_text("kind,text\ncat,miaow\n")
    with pytest.raises(BadSource, match=rf"it has 'kind', 'text'; choose with --{named}-field$"):
        read_examples(str(path), **options)


@pytest.mark.parametrize(("label", "task"), [("", "class"), (" ", "class"), (["a", ""], "labels")])
def test_an_empty_label_says_which_row(lines, label, task):
    with pytest.raises(BadSource, match=r"label field 'label' of row 2 of .*rows\.jsonl is empty"):
        read_examples(lines({"text": "a", "label": "b"}, {"text": "a", "label": label}), task=task)


@pytest.mark.parametrize("label", [None, ["cat"], {"a": 1}])
def test_a_label_that_is_none_is_shown(lines, label):
    with pytest.raises(BadSource, match=r"label field 'label' of row 2 of .* of type (NoneType|list|dict)"):
        read_examples(lines({"text": "a", "label": "b"}, {"text": "a", "label": label}))


def test_a_source_without_examples(lines):
    with pytest.raises(BadSource, match="holds no examples"):
        read_examples(lines(""))
    with pytest.raises(BadSource, match="has no labels"):
        read_examples("pydoc:")
