import contextlib

import pytest

from frostline.server import durable_files
from frostline.server.collections import names
from frostline.server.collections.names import Names, NamesFile, is_folder, new_folder, rebuilt
from frostline.server.errors import AlreadyExists, DataDamaged, InvalidInput, NotFound

SOME = Names({"a": "a.00000001", "b": "first.00000002"}, {"x": "a", "y": "a", "z": "b"})


def test_names_and_aliases_lead_to_folders():
    assert [SOME.folder(each) for each in ("a", "b", "x", "z", "missing", "")] == [
        "a.00000001",
        "first.00000002",
        "a.00000001",
        "first.00000002",
        None,
        None,
    ]
    assert SOME.name("first.00000002") == "b"
    assert SOME.name("other.00000002") is None


def test_aliases_follow_a_rename():
    after = SOME.renamed("a", "c")
    assert after == Names({"c": "a.00000001", "b": "first.00000002"}, {"x": "c", "y": "c", "z": "b"})


def test_aliases_go_with_their_collection():
    assert SOME.without("a") == Names({"b": "first.00000002"}, {"z": "b"})


def test_an_alias_is_made_swapped_and_deleted():
    assert SOME.with_alias("new", "b").aliases == {"x": "a", "y": "a", "z": "b", "new": "b"}
    assert SOME.with_alias("x", "b").aliases == {"x": "b", "y": "a", "z": "b"}
    assert SOME.without_alias("x").aliases == {"y": "a", "z": "b"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda: SOME.check_free("a"), AlreadyExists, "collection 'a' exists; take another name"),
        (lambda: SOME.check_free("x"), AlreadyExists, "'x' is an alias of collection 'a'; take another"),
        (lambda: SOME.with_collection("../a", "a.00000003"), InvalidInput, "collection name '../a' is not allowed"),
        (lambda: SOME.renamed("a", "b"), AlreadyExists, "collection 'b' exists"),
        (lambda: SOME.renamed("a", "a"), AlreadyExists, "collection 'a' exists"),
        (lambda: SOME.renamed("a", "x"), AlreadyExists, "'x' is an alias"),
        (lambda: SOME.renamed("a", "A"), InvalidInput, "collection name 'A' is not allowed"),
        (lambda: SOME.renamed("x", "c"), NotFound, "'x' is an alias; name its collection 'a'"),
        (lambda: SOME.renamed("c", "d"), NotFound, "'c' does not exist"),
        (lambda: SOME.without("x"), NotFound, "'x' is an alias; name its collection 'a', or delete the alias"),
        (lambda: SOME.without("c"), NotFound, "'c' does not exist"),
        (lambda: SOME.with_alias("a", "b"), AlreadyExists, "a collection is called 'a'"),
        (lambda: SOME.with_alias("new", "x"), InvalidInput, "'x' is an alias itself; name its collection 'a'"),
        (lambda: SOME.with_alias("new", "c"), NotFound, "'c' does not exist"),
        (lambda: SOME.with_alias("y" * 64, "a"), InvalidInput, "alias 'yyy"),
        (lambda: SOME.without_alias("a"), NotFound, "alias 'a' does not exist"),
    ],
)
def test_a_refused_change_says_what_and_why(change, error, message):
    with pytest.raises(error, match=message):
        change()


def test_names_are_read_as_they_were_written(tmp_path):
    file = NamesFile(tmp_path)
    assert file.read() is None
    for each in (SOME, SOME.without("a"), Names()):
        file.write(each)
        assert NamesFile(tmp_path).read() == each
    assert [path.name for path in tmp_path.iterdir()] == [names.FILE_NAME]


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path):
    file, path = NamesFile(tmp_path), tmp_path / names.FILE_NAME
    file.write(Names({"a": "a.00000001"}, {"x": "a"}))
    written = path.read_bytes()
    for place in range(len(written) * 8):
        changed = bytearray(written)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with contextlib.suppress(DataDamaged):
            assert file.read() == Names({"a": "a.00000001"}, {"x": "a"})  # white space became other white space
    for size in range(len(written)):
        path.write_bytes(written[:size])
        with pytest.raises(DataDamaged, match="is damaged"):
            file.read()


@pytest.mark.parametrize(
    "content",
    [
        {"collections": {"a": "../elsewhere"}, "aliases": {}},
        {"collections": {"a": "a.00000001\n"}, "aliases": {}},
        {"collections": {"a": 1}, "aliases": {}},
        {"collections": {}, "aliases": {}, "more": {}},
        {},
    ],
)
def test_something_else_with_a_right_checksum_is_refused(tmp_path, content):
    durable_files.write_json(tmp_path / names.FILE_NAME, content)
    with pytest.raises(DataDamaged, match="names something else than collections"):
        NamesFile(tmp_path).read()


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / names.FILE_NAME).open("wb") as file:
        file.truncate(durable_files.MAX_JSON_BYTES + 1)
    with pytest.raises(DataDamaged, match="67108865 bytes; at most 67108864"):
        NamesFile(tmp_path).read()


def test_deep_json_is_damage(tmp_path):
    (tmp_path / names.FILE_NAME).write_text("[" * 100_000)
    with pytest.raises(DataDamaged, match="no JSON"):
        NamesFile(tmp_path).read()


def test_a_new_folder_is_one_and_unlike_any_other():
    folders = {new_folder("a" * 63) for _ in range(100)}
    assert len(folders) == 100
    assert all(is_folder(folder) and folder.startswith("a" * 63 + ".") for folder in folders)
    assert not any(
        map(is_folder, ("a", "a.1", ".lock", ".new-a.00000001", "a.00000001\n", "../a.00000001", "a.0000000G"))
    )


def test_rebuilt_names_keep_every_folder():
    assert rebuilt({}) == Names()
    last_names = {
        "a.00000001": "b",  # renamed
        "b.00000002": "b",  # restored from a snapshot of it, or the like
        "c.00000003": "b",
        "d.00000004": "../d",
        f"{'e' * 63}.00000005": "b",
    }
    after = rebuilt(last_names)
    assert after.collections == {
        "b": "b.00000002",
        "a-00000001": "a.00000001",
        "c-00000003": "c.00000003",
        "d-00000004": "d.00000004",
        f"{'e' * 54}-00000005": f"{'e' * 63}.00000005",
    }
