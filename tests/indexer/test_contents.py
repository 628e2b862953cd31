import json

import pytest

from frostline.indexer import BadSource, read_contents


def rows(tmp_path, *objects):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, objects)))
    return str(path)


def test_texts_with_and_without_labels_evenly_over_the_source(tmp_path):
    path = rows(tmp_path, *({"body": str(n), "label": "x"} for n in range(10)), {"body": "10"})
    assert read_contents(path, text_field="body", most=100) == [str(n) for n in range(11)]
    assert read_contents(path, text_field="body", most=3) == ["0", "3", "7"]


def test_images_of_a_folder_at_any_depth(tmp_path):
    for name in ("b/2.png", "1.jpg", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert read_contents(str(tmp_path), most=5) == [tmp_path / "1.jpg", tmp_path / "b" / "2.png"]


def test_what_holds_nothing_is_refused(tmp_path):
    with pytest.raises(BadSource, match=r"row 2 of .* has no text or image"):
        read_contents(rows(tmp_path, {"text": "a"}, {"title": "b"}), most=5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadSource, match="holds no texts or images"):
        read_contents(str(tmp_path / "empty"), most=5)
