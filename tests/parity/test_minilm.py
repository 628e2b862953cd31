"""The text encoder gives what sentence-transformers gives: checked-in vectors always, torch itself under `full`."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bert_reference import assert_parity
from frostline.server.encoders.encoder import Prepared
from frostline.server.encoders.sources import local_folder
from frostline.server.encoders.text import TextEncoder

ROOT = Path(__file__).resolve().parents[2]
FINGERPRINT = "1d85609b8a312ff4f68da97b2dd2f57291e51230019243137cc6c0a96a4c6c82"
QUERY = "encoder.layer.3.attention.self.query.weight"


def embed(encoder: TextEncoder, texts: list[str], batch_size: int) -> np.ndarray:
    ready = [one for one in encoder.prepare(texts) if isinstance(one, Prepared)]
    rows = [
        encoder.run(ready[start : start + batch_size], encoder.manifest.default_layer, normalize=True)
        for start in range(0, len(ready), batch_size)
    ]
    return np.concatenate(rows)


def changed(checkpoint: Path, into: Path) -> Path:
    shutil.copytree(checkpoint, into, ignore=shutil.ignore_patterns("*.md", "vocab.txt", "data_config.json"))
    return into


def built(checkpoint: Path, into: Path) -> TextEncoder:
    into.mkdir()
    local_folder.build(checkpoint, into, "changed")
    return TextEncoder(into, "cpu")


def test_the_reference_covers_short_and_long_texts(minilm, reference):
    results = minilm.prepare(reference.texts)
    counts = [result.tokens for result in results]
    assert len(counts) >= 200
    assert (min(counts), max(counts)) == (2, 256)
    assert sum(result.truncated for result in results) > 60


def test_the_fingerprint_is_the_same_on_every_machine(minilm):
    """Vectors that others stored carry it: a change must be meant, and in the changelog."""
    assert minilm.fingerprint == FINGERPRINT


def test_vectors_equal_sentence_transformers(minilm, reference, full):
    step = 1 if full else 5
    assert_parity(embed(minilm, reference.texts[::step], batch_size=16), reference.vectors[::step])


def test_a_text_alone_gives_what_it_gives_in_a_batch(minilm, reference, full):
    texts = reference.texts[:: 4 if full else 20]
    difference = np.abs(embed(minilm, texts, batch_size=1) - embed(minilm, texts, batch_size=16)).max()
    assert difference <= 1e-5


@pytest.mark.full
def test_a_transposed_query_weight_fails(checkpoint, reference, tmp_path):
    folder = changed(checkpoint, tmp_path / "checkpoint")
    weights = load_file(folder / "model.safetensors")
    weights[QUERY] = np.ascontiguousarray(weights[QUERY].T)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(AssertionError, match="has cosine"):
        assert_parity(embed(built(folder, tmp_path / "bundle"), reference.texts[::10], 16), reference.vectors[::10])


@pytest.mark.full
def test_cls_pooling_fails(checkpoint, reference, tmp_path):
    folder = changed(checkpoint, tmp_path / "checkpoint")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    with pytest.raises(AssertionError, match="has cosine"):
        assert_parity(embed(built(folder, tmp_path / "bundle"), reference.texts[::10], 16), reference.vectors[::10])


def run_torch(kind: str, folder: Path, out: Path) -> None:
    python = os.environ.get("FROSTLINE_TORCH_PYTHON") or ROOT / ".venv-torch" / "bin" / "python"
    script = Path(__file__).with_name("reference.py")
    done = subprocess.run([python, script, kind, folder, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.full
def test_vectors_equal_torch_run_now(minilm, checkpoint, reference, tmp_path):
    run_torch("live", checkpoint, tmp_path / "live.npz")
    live = type(reference).load(tmp_path / "live.npz")
    assert live.texts == reference.texts
    assert_parity(reference.vectors, live.vectors)
    assert_parity(embed(minilm, live.texts, batch_size=16), live.vectors)


@pytest.mark.full
def test_a_random_bert_as_transformers_saves_it_equals_torch(reference, tmp_path):
    run_torch("random", tmp_path / "random", tmp_path / "live.npz")
    live = type(reference).load(tmp_path / "live.npz")
    encoder = built(tmp_path / "random", tmp_path / "bundle")
    assert (encoder.manifest.pooling, encoder.manifest.max_tokens) == ("cls", 128)
    assert_parity(embed(encoder, live.texts, batch_size=16), live.vectors)
