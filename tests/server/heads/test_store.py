import errno
import os
import threading

import numpy as np
import pytest

from frostline.server import durable_files
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import Conflict, DataDamaged, InUse, InvalidInput, NotFound, NotReady, StorageFull
from frostline.server.heads import artifact, examples, head_files
from frostline.server.heads.head_files import INTERRUPTED
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import KEPT, HeadConfig, State
from made_heads import DIMENSIONS, begun, fitted, labelled, unit


def config(description=""):
    return HeadConfig(description=description, space=EmbeddingSpace.plain(DIMENSIONS))


def trained(heads, name="x", description="", **changes):
    """A version that is ready, without training."""
    version = begun(heads, name, config(description)).versions[0]
    artifact.write(heads.folders.artifact(name, version), fitted(**changes))
    return heads.finish(name, version, 1.5)


def damage(heads, name, number, file="head.onnx"):
    path = heads.folders.artifact(name, heads.get(name).version(number)) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_head_is_there_with_all_it_is_after_a_start(tmp_path):
    heads = Heads(tmp_path)
    head = trained(heads, description="of use")
    again = Heads(tmp_path)
    assert again.list() == [head] == [again.get("x")]
    assert head.config.description == "of use"
    assert head.versions[0].train_seconds == 1.5
    assert again.manifest(head.versions[0]).held_out_accuracy == 0.75
    np.testing.assert_array_equal(
        examples.load(again.folders.examples("x", head.versions[0])).features, labelled().features
    )
    version, predictor = again.predictor("x")
    assert version == head.versions[0]
    assert predictor.predict(unit(3)).labels.shape == (3, 1)


def test_a_merged_head_has_no_examples(tmp_path):
    heads = Heads(tmp_path)
    version = heads.begin("x", config()).versions[0]
    artifact.write(heads.folders.artifact("x", version), fitted())
    heads.finish("x", version, 0.1)
    assert Heads(tmp_path).folders.examples("x", version) is None


def test_the_earlier_version_serves_until_the_new_one_is_ready(tmp_path):
    heads = Heads(tmp_path)
    trained(heads)
    version = begun(heads, "x", config()).versions[0]
    assert heads.predictor("x")[0].number == 1
    with pytest.raises(InUse, match="version 2 of head 'x' is being trained"):
        begun(heads, "x", config())
    artifact.write(heads.folders.artifact("x", version), fitted())
    heads.finish("x", version, 0.1)
    assert heads.predictor("x")[0].number == 2
    assert heads.predictor("x", 1)[0].number == 1
    heads.rollback("x")
    assert heads.predictor("x")[0].number == 1
    assert Heads(tmp_path).predictor("x")[0].number == 1


def test_a_version_that_was_being_trained_at_the_end_has_failed_at_the_start(tmp_path):
    heads = Heads(tmp_path)
    before = trained(heads)
    interrupted = begun(heads, "x", config()).versions[0]
    begun(heads, "y", config())
    for heads in (Heads(tmp_path), Heads(tmp_path)):
        assert heads.predictor("x")[0] == before.versions[0]
        assert heads.get("x").versions[0] == interrupted.failed(INTERRUPTED)
        assert head_files.read(tmp_path / "x") == heads.get("x")
        with pytest.raises(NotReady, match="head 'y' has no version that is ready; version 1 failed: interrupted"):
            heads.predictor("y")
    assert names(tmp_path / "x") == [before.versions[0].folder, "head.json"]
    assert trained(heads, "y").serving == 2


def test_a_version_that_failed_leaves_no_files(tmp_path):
    heads = Heads(tmp_path)
    version = begun(heads, "x", config()).versions[0]
    assert heads.fail("x", version, "no luck").versions[0].failure == "no luck"
    assert names(tmp_path / "x") == ["head.json"]
    assert Heads(tmp_path).get("x").versions[0] == version.failed("no luck")


def test_a_version_without_a_whole_artifact_is_not_served(tmp_path):
    heads = Heads(tmp_path)
    version = begun(heads, "x", config()).versions[0]
    with pytest.raises(DataDamaged, match="missing"):
        heads.finish("x", version, 0.1)
    artifact.write(heads.folders.artifact("x", version), fitted())
    damage(heads, "x", 1)
    with pytest.raises(DataDamaged, match=r"head\.onnx"):
        heads.finish("x", version, 0.1)
    assert heads.get("x").serving == 0


def test_what_is_not_known_of_versions_is_removed_at_a_start(tmp_path):
    head = trained(Heads(tmp_path))
    for name in (".new-1234", ".deleted-1234", "x/2.12345678", "x/.new-artifact"):
        (tmp_path / name / "inner").mkdir(parents=True)
    (tmp_path / "no head.json").mkdir()
    heads = Heads(tmp_path)
    assert heads.list() == [head]
    assert names(tmp_path) == ["no head.json", "x"]
    assert names(tmp_path / "x") == [head.versions[0].folder, "head.json"]


@pytest.mark.parametrize("file", ["head.json", "arrays.npz", "head.onnx"])
def test_a_version_whose_size_is_wrong_at_a_start_has_failed_and_the_earlier_one_serves(tmp_path, file):
    heads = Heads(tmp_path)
    trained(heads)
    trained(heads, description="newer")
    (heads.folders.artifact("x", heads.get("x").version(2)) / file).write_bytes(b"{}")
    again = Heads(tmp_path)
    assert again.predictor("x")[0].number == 1
    assert again.get("x").config.description == ""
    assert file in again.get("x").versions[0].failure
    assert Heads(tmp_path).get("x") == again.get("x")


def test_a_version_that_turns_out_to_be_damaged_serves_no_more(tmp_path, caplog):
    heads = Heads(tmp_path)
    for _ in range(3):
        trained(heads)
    damage(heads, "x", 3)
    damage(heads, "x", 2, "arrays.npz")
    heads = Heads(tmp_path)
    assert heads.get("x").serving == 3  # of the right size, and not read yet
    assert heads.predictor("x")[0].number == 1
    assert "head.onnx is damaged" in caplog.text
    assert [each.state for each in Heads(tmp_path).get("x").versions] == [State.FAILED, State.FAILED, State.READY]
    with pytest.raises(NotReady, match=r"version 3 of head 'x' failed: .*head\.onnx is damaged"):
        heads.predictor("x", 3)


def test_the_caller_who_asks_for_a_damaged_version_is_told(tmp_path):
    heads = Heads(tmp_path)
    for _ in range(2):
        trained(heads)
    damage(heads, "x", 1)
    damage(heads, "x", 2)
    heads = Heads(tmp_path)
    with pytest.raises(DataDamaged, match=r"head\.onnx is damaged"):
        heads.predictor("x", 1)
    with pytest.raises(NotReady, match="has no version that is ready"):
        heads.predictor("x")


def test_a_head_whose_file_is_damaged_is_told_and_the_others_are_served(tmp_path, caplog):
    for name in ("x", "y"):
        trained(Heads(tmp_path), name)
    (tmp_path / "x" / "head.json").write_text("{}")
    heads = Heads(tmp_path)
    assert "head 'x' is not served" in caplog.text
    assert [head.name for head in heads.list()] == ["y"]
    assert heads.predictor("y")[0].number == 1
    for refused in (heads.get, heads.predictor, lambda name: begun(heads, name, config())):
        with pytest.raises(DataDamaged, match="delete the head and train it again"):
            refused("x")
    heads.delete("x")
    assert trained(heads, "x").serving == 1


def test_a_deleted_head_is_gone_and_its_name_free(tmp_path):
    heads = Heads(tmp_path)
    head = trained(heads)
    heads.delete("x")
    assert names(tmp_path) == []
    for refused in (heads.get, heads.delete, heads.predictor, heads.rollback):
        with pytest.raises(NotFound, match="head 'x' does not exist"):
            refused("x")
    again = trained(heads)
    assert [each.number for each in again.versions] == [1]
    assert again.versions[0].folder != head.versions[0].folder


def test_what_ends_after_its_head_was_deleted_changes_nothing(tmp_path):
    heads = Heads(tmp_path)
    late = begun(heads, "x", config()).versions[0]
    heads.delete("x")
    now = begun(heads, "x", config())
    artifact.write(heads.folders.artifact("x", now.versions[0]).with_name("other"), fitted())
    for change in (lambda: heads.fail("x", late, "no luck"), lambda: heads.finish("x", late, 0.1)):
        with pytest.raises((NotFound, DataDamaged)):
            change()
    assert heads.get("x") == now


def test_old_versions_go_with_their_files_and_the_serving_one_stays(tmp_path):
    heads = Heads(tmp_path)
    trained(heads)
    served = heads.predictor("x")[1]
    for _ in range(KEPT + 1):
        trained(heads)
        heads.rollback("x", 1)
    kept = heads.get("x").versions
    assert [each.number for each in kept] == [*range(12, 2, -1), 1]
    assert names(tmp_path / "x") == sorted(["head.json", *(each.folder for each in kept)])
    assert heads.predictor("x")[1] is served


@pytest.mark.parametrize("name", ["", "X", "../x", "a" * 64, "-a", "a.b", ".new-1", "x\n"])
def test_a_name_that_nothing_may_have_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match="is not allowed"):
        Heads(tmp_path / "heads").begin(name, config())
    assert names(tmp_path) == ["heads"]


def test_a_full_disk_is_told_and_changes_nothing(tmp_path, monkeypatch):
    heads = Heads(tmp_path)
    before = trained(heads)

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("frostline.server.heads.head_files.write_json", full)
    for change in (lambda: begun(heads, "x", config()), lambda: begun(heads, "y", config())):
        with pytest.raises(StorageFull, match="no room for head"):
            change()
    assert heads.list() == [before]
    assert names(tmp_path) == ["x"]
    monkeypatch.undo()
    assert Heads(tmp_path).list() == [before]
    assert len(names(tmp_path / "x")) == 2


def test_a_failure_is_told_even_where_the_disk_is_full(tmp_path, monkeypatch):
    heads = Heads(tmp_path)
    version = begun(heads, "x", config()).versions[0]

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("frostline.server.heads.head_files.write_json", full)
    assert heads.fail("x", version, "no luck").versions[0].failure == "no luck"
    assert heads.get("x").versions[0].state is State.FAILED
    monkeypatch.undo()
    assert Heads(tmp_path).get("x").versions[0].failure == INTERRUPTED


def test_many_threads_may_ask_while_versions_come_and_go(tmp_path):
    heads = Heads(tmp_path)
    trained(heads)
    done, errors = threading.Event(), []

    def ask():
        try:
            while not done.is_set():
                heads.predictor("x")[1].predict(unit(2))
                heads.list()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        trained(heads)
        heads.rollback("x")
    done.set()
    for thread in threads:
        thread.join()
    assert not errors


def test_only_one_of_two_at_once_begins_a_version(tmp_path):
    heads = Heads(tmp_path)
    outcomes = []

    def begin():
        try:
            outcomes.append(begun(heads, "x", config()))
        except InUse as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in outcomes) == ["Head", "InUse", "InUse", "InUse"]
    assert names(tmp_path) == ["x"]
    assert durable_files.read_json(tmp_path / "x" / "head.json")["serving"] == 0


def test_an_update_of_a_version_that_serves_no_more_is_refused(tmp_path):
    heads = Heads(tmp_path)
    first = trained(heads).versions[0]
    trained(heads)
    with pytest.raises(Conflict, match="another version of head 'x' serves by now"):
        heads.begin("x", config(), first)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert heads.begin("x", config(), heads.get("x").versions[0]).versions[0].number == 3
