import io
from pathlib import Path

import pytest
from PIL import Image

from frostline.server.encoders import registry as registry_module
from frostline.server.encoders import session as session_module
from frostline.server.encoders.encoder import Encoder
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.verification import Check
from frostline.server.errors import NotFound
from tiny import tiny_bert, tiny_image


@pytest.fixture
def registry(tmp_path) -> Registry:
    registry = Registry(tmp_path / "data")
    registry.install("tiny", tiny_bert(tmp_path / "checkpoint"))
    return registry


@pytest.fixture
def encoder(registry) -> Encoder:
    return registry.get("tiny")


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """Outputs of the graphs that were read since."""
    made, session = list[str](), session_module.Session

    def counting(path, outputs, device, threads):
        made.extend(outputs)
        return session(path, outputs, device, threads)

    monkeypatch.setattr(session_module, "Session", counting)
    return made


@pytest.mark.parametrize("layer", ["layer-2", "layer-1"])
def test_inputs_that_wait_while_their_encoder_is_deleted_are_told_and_read_no_other(
    registry, encoder, made, tmp_path, layer
):
    ready = encoder.prepare(["dog"])
    registry.delete("tiny")
    with pytest.raises(NotFound, match="encoder 'tiny' was deleted"):
        encoder.run(ready, layer, normalize=True)
    registry.install("tiny", tiny_bert(tmp_path / "other", seed=1))
    made.clear()
    with pytest.raises(NotFound, match="encoder 'tiny' was deleted"):
        encoder.run(ready, layer, normalize=True)
    assert made == []


@pytest.mark.parametrize("file_is_gone", [True, False])
def test_a_graph_being_read_while_its_encoder_is_deleted_is_not_used(
    registry, encoder, monkeypatch, tmp_path, file_is_gone
):
    ready, session = encoder.prepare(["dog"]), session_module.Session

    def slow(path, *rest):
        monkeypatch.setattr(session_module, "Session", session)
        registry.delete("tiny")
        if not file_is_gone:
            registry.install("tiny", tiny_bert(tmp_path / "other", seed=1))
        return session(path, *rest)

    monkeypatch.setattr(session_module, "Session", slow)
    with pytest.raises(NotFound, match="encoder 'tiny' was deleted"):
        encoder.run(ready, "layer-1", normalize=True)


def test_an_encoder_is_closed_before_its_name_is_free(registry, encoder, monkeypatch):
    rename = registry_module.os.rename

    def renaming(source, target):
        with pytest.raises(NotFound):
            encoder.run(encoder.prepare(["dog"]), "layer-2", normalize=True)
        rename(source, target)

    monkeypatch.setattr(registry_module.os, "rename", renaming)
    registry.delete("tiny")
    assert registry.names() == []


def test_a_batch_that_runs_while_its_encoder_is_deleted_finishes(registry, encoder, monkeypatch):
    run = session_module.Session.run

    def running(self, inputs):
        registry.delete("tiny")
        return run(self, inputs)

    ready = encoder.prepare(["dog"])
    monkeypatch.setattr(session_module.Session, "run", running)
    assert encoder.run(ready, "layer-2", normalize=True).shape == (1, 32)
    assert registry.names() == []


def test_images_for_a_deleted_encoder_are_told(registry, tmp_path):
    registry.install("image", tiny_image(tmp_path / "image"))
    encoder, file = registry.get("image"), io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "PNG")
    ready = encoder.prepare([file.getvalue()])
    registry.delete("image")
    with pytest.raises(NotFound, match="encoder 'image' was deleted"):
        encoder.prepare([file.getvalue()])
    with pytest.raises(NotFound, match="encoder 'image' was deleted"):
        encoder.run(ready, "embedding", normalize=False)


def test_verify_reads_graphs_of_its_own(registry, encoder, made):
    ready = encoder.prepare(["dog"])
    in_use = [("layer-1", True), ("layer-1", False), ("layer-2", True)]  # and those verify needs: more than are kept
    for layer, normalize in in_use:
        encoder.run(ready, layer, normalize)
    assert all(check.passed for check in registry.verify("tiny"))
    made.clear()
    for layer, normalize in in_use:
        encoder.run(ready, layer, normalize)
    assert made == []


def test_verify_tells_a_file_that_is_missing_now(registry, tmp_path):
    (tmp_path / "data" / "tiny" / "model.onnx").unlink()
    failed = [check.name for check in registry.verify("tiny") if not check.passed]
    assert failed == ["file model.onnx", "loads"]


def test_an_encoder_that_does_not_load_from_its_place_leaves_nothing(registry, tmp_path, monkeypatch):
    load = Registry._load

    def without_memory(self, path: Path):
        if path.name == "second":
            raise MemoryError
        return load(self, path)

    monkeypatch.setattr(Registry, "_load", without_memory)
    with pytest.raises(MemoryError):
        registry.install("second", tmp_path / "checkpoint")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["tiny"]
    monkeypatch.undo()
    checks = registry.install("second", tmp_path / "checkpoint")
    assert all(isinstance(check, Check) and check.passed for check in checks)
