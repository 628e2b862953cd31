import pytest

from cataloguing import EMPTY, filled, folder_of, names, on_disk
from collecting import config
from frostline.server import durable_files
from frostline.server.collections import leftovers
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.rows import database
from frostline.server.errors import (
    AlreadyExists,
    DataDamaged,
    NotFound,
)


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


def spoil(path, how):
    file = path / database.FILE_NAME
    match how:
        case "missing":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "no database":
            file.write_bytes(b"text" * 5000)
        case "cut":
            file.write_bytes(file.read_bytes()[: 3 * database.PAGE_SIZE])
        case "pages":
            size = file.stat().st_size
            file.write_bytes(file.read_bytes()[: database.PAGE_SIZE] + b"\xa5" * (size - database.PAGE_SIZE))
        case "newer":
            connection = database.sqlite3.connect(file)
            connection.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
            connection.close()
        case "config":
            connection = database.sqlite3.connect(file)
            connection.execute("UPDATE meta SET config = '{}'")
            connection.commit()
            connection.close()


@pytest.mark.parametrize("how", ["missing", "empty", "no database", "cut", "pages", "newer", "config"])
def test_a_damaged_file_stops_neither_the_server_nor_the_other_collections(catalogue, tmp_path, caplog, how):
    filled(catalogue, "bad", 100)
    filled(catalogue, "good")
    catalogue.close()
    spoil(folder_of(tmp_path, "bad"), how)
    again = Catalogue(tmp_path)
    assert names(again) == ["good"]
    assert again.get("good").count() == 3
    assert "collection 'bad' is not served" in caplog.text
    for _ in range(2):
        with pytest.raises(DataDamaged, match=r"bad\.[0-9a-f]{8}/records\.sqlite.*(restore|run the Frostline)"):
            again.get("bad")
    with pytest.raises(AlreadyExists):
        again.create(config("bad"))
    again.set_alias("worse", "bad")
    with pytest.raises(DataDamaged):
        again.get("worse")
    with pytest.raises(DataDamaged):
        again.rename("bad", "spoilt")
    again.close()
    again = Catalogue(tmp_path)
    with pytest.raises(DataDamaged):
        again.get("spoilt")
    again.delete("spoilt")
    assert again.aliases() == {}
    assert on_disk(tmp_path) == [*EMPTY[:2], "good", "names"]
    assert again.create(config("bad")).count() == 0
    again.close()


def test_an_error_that_nobody_thought_of_stops_neither_the_server_nor_the_other_collections(
    catalogue, tmp_path, caplog
):
    def broken(folder, name):
        if name == "bad":
            raise ZeroDivisionError("secret")
        return Collection(folder, name)

    filled(catalogue, "bad")
    filled(catalogue, "good")
    catalogue.close()
    again = Catalogue(tmp_path, open_collection=broken)
    assert names(again) == ["good"]
    with pytest.raises(DataDamaged, match=r"'bad' cannot be opened \(ZeroDivisionError\); the log says more"):
        again.get("bad")
    assert "secret" in caplog.text
    again.close()


@pytest.mark.parametrize("how", ["bit", "empty", "missing"])
def test_damaged_names_are_made_anew_without_aliases_and_the_log_says_so(catalogue, tmp_path, caplog, how):
    filled(catalogue, "a", 1)
    filled(catalogue, "b", 2)
    catalogue.rename("b", "c")
    catalogue.set_alias("x", "a")
    catalogue.close()
    spoil(folder_of(tmp_path, "a"), "empty")
    path = tmp_path / "names.json"
    damaged = path.read_bytes().replace(b'"x"', b'"y"')
    match how:
        case "bit":
            path.write_bytes(damaged)
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()
    again = Catalogue(tmp_path)
    assert (names(again), again.aliases()) == (["c"], {})
    assert again.get("c").count() == 2
    with pytest.raises(DataDamaged):
        again.get("a")
    assert "all aliases are lost" in caplog.text
    assert str(path) in caplog.text
    again.set_alias("x", "c")
    again.close()
    if how == "bit":
        assert (tmp_path / "names.json.damaged").read_bytes() == damaged
    assert (tmp_path / "names.json.damaged").exists() == (how != "missing")
    caplog.clear()
    again = Catalogue(tmp_path)
    assert (names(again), again.aliases()) == (["c"], {"x": "c"})
    assert "aliases" not in caplog.text
    again.close()


def test_folders_that_no_name_leads_to_are_reported_and_left_alone(catalogue, tmp_path, caplog):
    filled(catalogue, "a")
    catalogue.close()
    for name in ("lost.00000001", "mine", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text("valuable")
    for name in (".new-lost.00000002", ".deleted-lost.00000003"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text("not acknowledged, or deleted")
    (tmp_path / ".new-names.json").write_text("half")
    again = Catalogue(tmp_path)
    assert names(again) == ["a"]
    assert f"{tmp_path / 'lost.00000001'} belongs to no collection" in caplog.text
    for name in ("lost.00000001", "mine", ".hidden"):
        assert (tmp_path / name / "content").read_text() == "valuable"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".new-", ".deleted-"))]
    again.close()


def test_a_lost_folder_is_a_damaged_collection_that_can_be_deleted(catalogue, tmp_path):
    filled(catalogue, "a")
    filled(catalogue, "b")
    catalogue.close()
    durable_files.discard(folder_of(tmp_path, "a"))
    again = Catalogue(tmp_path)
    assert names(again) == ["b"]
    with pytest.raises(DataDamaged, match="restore the file from a backup"):
        again.get("a")
    again.delete("a")
    again.close()
    again = Catalogue(tmp_path)
    assert names(again) == ["b"]
    with pytest.raises(NotFound):
        again.get("a")
    again.close()


def test_what_cannot_be_removed_is_logged_and_stops_nothing(catalogue, tmp_path, caplog, monkeypatch):
    filled(catalogue, "a")
    catalogue.close()
    (tmp_path / ".deleted-old.00000001").mkdir()
    monkeypatch.setattr(durable_files.shutil, "rmtree", lambda *_, **__: None)
    again = Catalogue(tmp_path)
    assert names(again) == ["a"]
    assert "could not be removed" in caplog.text
    again.close()


def test_tidying_twice_changes_nothing(catalogue, tmp_path):
    filled(catalogue, "a")
    catalogue.close()
    file = leftovers.NamesFile(tmp_path)
    before = (tmp_path / "names.json").read_bytes()
    assert leftovers.tidied(tmp_path, file) == leftovers.tidied(tmp_path, file)
    assert (tmp_path / "names.json").read_bytes() == before
