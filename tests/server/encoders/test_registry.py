import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

from frostline.server.encoders import registry as registry_module
from frostline.server.encoders.bundle import load_manifest, sha256_of
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.sources import local_folder
from frostline.server.errors import AlreadyExists, DataDamaged, InvalidInput, NotFound, StorageFull
from tiny import tiny_bert, tiny_image


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_bert(tmp_path / "checkpoint")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data" / "encoders"


def vector(registry: Registry, name: str, content: str | bytes = "the red dog") -> np.ndarray:
    encoder = registry.get(name)
    return encoder.run(encoder.prepare([content]), encoder.manifest.default_layer, normalize=True)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_an_installed_encoder_runs_and_survives_a_restart(checkpoint, data, tmp_path):
    first, steps = Registry(data), list[str]()
    checks = first.install("tiny", checkpoint, source="a test", report=steps.append)
    first.install("image", tiny_image(tmp_path / "image"))
    assert steps == ["building", "verifying", "loading"]
    assert all(check.passed for check in checks)
    assert {"file model.onnx", "layer embeddings", "layer layer-2", "golden vectors"} <= {
        check.name for check in checks
    }
    assert (first.get("tiny").manifest.source, first.get("tiny").manifest.name) == ("a test", "tiny")
    expected = vector(first, "tiny")
    first.close()
    second = Registry(data)
    assert second.names() == ["image", "tiny"]
    np.testing.assert_array_equal(vector(second, "tiny"), expected)
    assert second.size_bytes("tiny") == sum(path.stat().st_size for path in (data / "tiny").iterdir())


def test_layers_are_read_from_where_the_bundle_stays(checkpoint, data):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    encoder = registry.get("tiny")
    assert encoder.run(encoder.prepare(["dog"]), "layer-1", normalize=False).shape == (1, 32)


def test_nothing_but_the_encoder_is_left_in_the_folder(checkpoint, data):
    Registry(data).install("tiny", checkpoint)
    assert [path.name for path in data.iterdir()] == ["tiny"]
    assert {path.name for path in (data / "tiny").iterdir()} == {
        "golden.npz",
        "manifest.json",
        "model.onnx",
        "tokenizer.json",
    }


def test_an_unknown_encoder_is_refused_with_the_known_ones(checkpoint, data):
    registry = Registry(data)
    with pytest.raises(NotFound, match="this server has: none"):
        registry.get("tiny")
    registry.install("tiny", checkpoint)
    with pytest.raises(NotFound, match="no encoder 'other'; this server has: tiny"):
        registry.get("other")
    for call in (registry.verify, registry.delete, registry.size_bytes):
        with pytest.raises(NotFound):
            call("other")


@pytest.mark.parametrize("name", ["", "Upper", "../up", "a/b", ".hidden", "-dash", "x" * 64, "a b", "tiny\n"])
def test_a_name_that_is_none_is_refused(checkpoint, data, name):
    with pytest.raises(InvalidInput, match="encoder name"):
        Registry(data).install(name, checkpoint)
    assert list(data.iterdir()) == []


def test_a_name_that_is_taken_is_refused_and_the_first_stays(checkpoint, data, tmp_path):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    fingerprint = registry.get("tiny").fingerprint
    with pytest.raises(AlreadyExists, match="'tiny'"):
        registry.install("tiny", tiny_bert(tmp_path / "other", seed=1))
    assert registry.get("tiny").fingerprint == fingerprint


def test_of_two_installations_of_one_name_one_wins(data, tmp_path):
    registry = Registry(data)
    folders = [tiny_bert(tmp_path / str(seed), seed=seed) for seed in range(4)]

    def install(folder: Path) -> str:
        try:
            registry.install("tiny", folder)
        except AlreadyExists:
            return "taken"
        return "installed"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(install, folders)) == ["installed", "taken", "taken", "taken"]
    assert [path.name for path in data.iterdir()] == ["tiny"]
    assert all(check.passed for check in registry.verify("tiny"))


def test_a_failed_installation_leaves_nothing(checkpoint, data):
    (checkpoint / "model.safetensors").write_bytes(b"nothing")
    registry = Registry(data)
    with pytest.raises(InvalidInput):
        registry.install("tiny", checkpoint)
    assert (list(data.iterdir()), registry.names(), "tiny" in registry) == ([], [], False)


def test_a_full_disk_is_said_and_leaves_nothing(checkpoint, data, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local_folder, "build", full)
    with pytest.raises(StorageFull, match="tiny"):
        Registry(data).install("tiny", checkpoint)
    assert list(data.iterdir()) == []


def test_what_a_killed_process_left_is_cleared(checkpoint, data):
    Registry(data).install("tiny", checkpoint)
    shutil.copytree(data / "tiny", data / ".building-abc")
    assert Registry(data).names() == ["tiny"]
    assert [path.name for path in data.iterdir()] == ["tiny"]


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "golden.npz"])
def test_a_damaged_file_is_found_at_the_start_and_by_verify(checkpoint, data, tmp_path, caplog, name):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    registry.install("whole", tiny_bert(tmp_path / "other", seed=1))
    flip_a_bit(data / "tiny" / name)
    assert next(check.name for check in registry.verify("tiny") if not check.passed) == f"file {name}"
    again = Registry(data)
    assert again.names() == ["whole"]
    assert f"file {name}" in caplog.text
    with pytest.raises(DataDamaged, match=f"file {name}.*delete it and add it again"):
        again.get("tiny")
    assert {check.name for check in again.verify("tiny") if not check.passed} == {f"file {name}", "loads"}
    again.delete("tiny")
    again.install("tiny", checkpoint)
    assert again.names() == ["tiny", "whole"]


def test_a_folder_under_another_name_than_its_manifest_says_is_damage(checkpoint, data):
    Registry(data).install("tiny", checkpoint)
    (data / "tiny").rename(data / "renamed")
    (data / ".DS_Store").touch()
    with pytest.raises(DataDamaged, match="its manifest says tiny"):
        Registry(data).get("renamed")


def test_a_missing_file_and_a_missing_manifest_are_damage(checkpoint, data):
    registry = Registry(data)
    registry.install("first", checkpoint)
    registry.install("second", checkpoint)
    (data / "first" / "model.onnx").unlink()
    (data / "second" / "manifest.json").unlink()
    again = Registry(data)
    assert again.names() == []
    with pytest.raises(DataDamaged, match=r"model\.onnx: cannot be read"):
        again.get("first")
    with pytest.raises(DataDamaged, match=r"manifest\.json is missing"):
        again.get("second")


def test_verify_notices_vectors_that_differ_from_the_golden_ones(checkpoint, data, tmp_path):
    """As another runtime or device would give; the hashes are made to fit, so that only the vectors can tell."""
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    registry.install("other", tiny_bert(tmp_path / "other", seed=1))
    shutil.copyfile(data / "other" / "model.onnx", data / "tiny" / "model.onnx")
    manifest = load_manifest(data / "tiny")
    files = manifest.files | {"model.onnx": sha256_of(data / "tiny" / "model.onnx")}
    (data / "tiny" / "manifest.json").write_text(manifest.model_copy(update={"files": files}).model_dump_json())
    failed = [check for check in Registry(data).verify("tiny") if not check.passed]
    assert [check.name for check in failed] == ["golden vectors"]


def test_golden_vectors_in_the_folder_must_be_reproduced(checkpoint, data, tmp_path):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    other = tiny_bert(tmp_path / "other", seed=1)
    shutil.copyfile(data / "tiny" / "golden.npz", other / "golden.npz")
    with pytest.raises(InvalidInput, match="golden vectors: largest difference"):
        registry.install("other", other)
    shutil.copyfile(data / "tiny" / "golden.npz", checkpoint / "golden.npz")
    registry.install("same", checkpoint)
    assert registry.names() == ["same", "tiny"]


def test_rows_that_depend_on_their_neighbors_are_refused(checkpoint, data, monkeypatch):
    class Leaking(registry_module.TextEncoder):
        def run(self, batch, layer, normalize):
            vectors = super().run(batch, layer, normalize)
            return vectors + 1e-4 * len(batch)

    monkeypatch.setattr(registry_module, "TextEncoder", Leaking)
    with pytest.raises(InvalidInput, match="alone against batched"):
        Registry(data).install("tiny", checkpoint)


def test_a_bundle_moves_to_another_server_under_another_name(checkpoint, data, tmp_path):
    first, second = Registry(data), Registry(tmp_path / "second")
    first.install("tiny", checkpoint)
    second.install("moved", data / "tiny")
    assert second.get("moved").manifest.name == "moved"
    assert second.get("moved").fingerprint == first.get("tiny").fingerprint
    np.testing.assert_array_equal(vector(second, "moved"), vector(first, "tiny"))


@pytest.mark.parametrize(
    "name", ["../checkpoint/config.json", "/etc/hostname", "..", "manifest.json", "sub/model.onnx"]
)
def test_a_bundle_that_lists_files_elsewhere_is_refused(checkpoint, data, name):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    bundle = shutil.copytree(data / "tiny", checkpoint.parent / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match="files lie in the bundle itself"):
        registry.install("moved", bundle)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers": []}, "layers"),
        ({"default_layer": "layer-9"}, "layer-9"),
        ({"max_tokens": 0}, "maximum of tokens"),
        ({"modality": "sound"}, "modality"),
        ({"surprise": 1}, "surprise"),
        ({"layers": [{"name": "a", "dimensions": 32, "output": "none"}], "default_layer": "a"}, "outputs none"),
        (
            {
                "layers": [
                    {"name": "a", "dimensions": 31, "output": "layer-1", "normalized_output": "layer-1.normalized"}
                ],
                "default_layer": "a",
            },
            "the manifest says",
        ),
    ],
)
def test_a_bundle_with_a_wrong_manifest_is_refused(checkpoint, data, change, said):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    bundle = shutil.copytree(data / "tiny", checkpoint.parent / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text()) | change
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match=said):
        registry.install("moved", bundle)
    assert registry.names() == ["tiny"]


def test_a_bundle_whose_file_is_damaged_is_refused(checkpoint, data):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    bundle = shutil.copytree(data / "tiny", checkpoint.parent / "bundle")
    flip_a_bit(bundle / "model.onnx")
    with pytest.raises(InvalidInput, match=r"model\.onnx is not what manifest\.json says"):
        registry.install("moved", bundle)


def test_a_folder_that_holds_no_encoder_is_refused_with_what_would_be_one(data, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=r"modules\.json"):
        Registry(data).install("tiny", tmp_path / "empty")
    with pytest.raises(InvalidInput, match="is no folder"):
        Registry(data).install("tiny", tmp_path / "missing")


def test_a_deleted_encoder_is_gone_and_its_name_free(checkpoint, data):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    registry.delete("tiny")
    assert (registry.names(), list(data.iterdir())) == ([], [])
    registry.install("tiny", checkpoint)
    assert registry.names() == ["tiny"]


def test_a_bundle_without_normalized_outputs_is_normalized_all_the_same(checkpoint, data):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    bundle = shutil.copytree(data / "tiny", checkpoint.parent / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["layers"] = [layer | {"normalized_output": ""} for layer in manifest["layers"]]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    registry.install("moved", bundle)
    np.testing.assert_allclose(vector(registry, "moved"), vector(registry, "tiny"), atol=1e-6)


def test_a_graph_that_fails_when_it_runs_is_refused(checkpoint, data, tmp_path):
    registry = Registry(data)
    registry.install("tiny", checkpoint)
    bundle = shutil.copytree(data / "tiny", tmp_path / "bundle")
    graph = onnx.load(bundle / "model.onnx")
    for weight in graph.graph.initializer:
        if weight.name == "words":
            weight.CopyFrom(onnx.numpy_helper.from_array(np.zeros((3, 32), np.float32), "words"))
    onnx.save(graph, bundle / "model.onnx")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"] = {name: sha256_of(bundle / name) for name in ("model.onnx", "tokenizer.json")}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    (bundle / "golden.npz").unlink()
    with pytest.raises(InvalidInput, match="cannot be run"):
        registry.install("failing", bundle)


def test_files_are_on_disk_before_the_bundle_has_its_name(checkpoint, data, monkeypatch):
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def syncing(descriptor):
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def renaming(source, target):
        events.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "rename", renaming)
    Registry(data).install("tiny", checkpoint)
    before, after = events[: events.index("rename")], events[events.index("rename") + 1 :]
    assert {"golden.npz", "manifest.json", "model.onnx", "tokenizer.json"} < set(before)
    assert before[-1].startswith(".building-")
    assert after == ["encoders"]
