import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from bert_reference import ReferenceBert, assert_parity
from frostline.server.encoders.encoder import Prepared
from frostline.server.encoders.sources import local_folder
from frostline.server.encoders.text import TextEncoder
from frostline.server.errors import InvalidInput
from tiny import tiny_bert, tiny_tokenizer, tiny_weights

TEXTS = [
    "",
    "key",
    "The dog is in the red house.",
    "frozen encoder, trained head: a list of words; file 3 (line 17)!",
    "a text to be read line by line " * 3,
]
QUERY = "encoder.layer.1.attention.self.query.weight"


def ids_of(text: str) -> list[int]:
    tokenizer = tiny_tokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer.encode(text).ids


def build(checkpoint: Path, into: Path) -> TextEncoder:
    into.mkdir()
    local_folder.build(checkpoint, into, "tiny")
    return TextEncoder(into, "cpu")


def change_weights(folder: Path, change: Callable[[dict[str, NDArray]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def prepared(encoder: TextEncoder, texts: list[str]) -> list[Prepared]:
    return [one for one in encoder.prepare(texts) if isinstance(one, Prepared)]


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_every_layer_equals_the_numpy_reference(tmp_path, pooling):
    folder = tiny_bert(tmp_path / "checkpoint", pooling=pooling)
    encoder, reference = build(folder, tmp_path / "bundle"), ReferenceBert(folder)
    expected = [reference.pooled(ids_of(text), pooling) for text in TEXTS]
    assert [layer.name for layer in encoder.manifest.layers] == ["embeddings", "layer-1", "layer-2"]
    for layer in encoder.manifest.layers:
        rows = np.stack([row[layer.name] for row in expected])
        assert_parity(encoder.run(prepared(encoder, TEXTS), layer.name, normalize=False), rows)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert_parity(encoder.run(prepared(encoder, TEXTS), layer.name, normalize=True), unit)


def test_a_text_alone_gives_what_it_gives_in_a_batch(tmp_path):
    encoder = build(tiny_bert(tmp_path / "checkpoint"), tmp_path / "bundle")
    texts = [" ".join(["word", "dog", "x", "house"][: n % 4 + 1] * (n // 4 + 1)) for n in range(40)]
    together = encoder.run(prepared(encoder, texts), "layer-2", normalize=True)
    alone = np.concatenate([encoder.run([one], "layer-2", normalize=True) for one in prepared(encoder, texts)])
    assert np.abs(together - alone).max() <= 1e-5


@pytest.mark.parametrize(
    "plant",
    [
        lambda w: w.update({QUERY: np.ascontiguousarray(w[QUERY].T)}),
        lambda w: w["encoder.layer.0.attention.self.key.bias"].fill(0),  # softmax ignores it: must still agree
        lambda w: w["encoder.layer.0.attention.self.value.bias"].fill(0),
        lambda w: w["embeddings.token_type_embeddings.weight"].fill(0),
        lambda w: w["encoder.layer.1.output.LayerNorm.weight"].fill(1),
    ],
    ids=["transposed query", "no key bias", "no value bias", "no token type", "no norm"],
)
def test_parity_notices_a_planted_error(tmp_path, plant, request):
    folder = tiny_bert(tmp_path / "checkpoint")
    reference = ReferenceBert(folder)
    expected = np.stack([reference.pooled(ids_of(text), "mean")["layer-2"] for text in TEXTS])
    change_weights(folder, plant)
    encoder = build(folder, tmp_path / "bundle")
    found = encoder.run(prepared(encoder, TEXTS), "layer-2", normalize=False)
    if request.node.callspec.id == "no key bias":
        assert_parity(found, expected)
        return
    with pytest.raises(AssertionError):
        assert_parity(found, expected)


def test_the_same_checkpoint_gives_the_same_bytes_everywhere(tmp_path):
    """A change of this hash is a change of every installed encoder's fingerprint: say so in the changelog."""
    build(tiny_bert(tmp_path / "checkpoint"), tmp_path / "bundle")
    graph = (tmp_path / "bundle" / "model.onnx").read_bytes()
    assert hashlib.sha256(graph).hexdigest() == "0581f8847d1d41620a58ed10fb7848a9e33e8ed6de34a3b508052ba45f5cd390"


def test_older_tensor_names_give_the_same_bytes(tmp_path):
    build(tiny_bert(tmp_path / "plain"), tmp_path / "first")
    build(tiny_bert(tmp_path / "prefixed", prefix="bert."), tmp_path / "second")
    folder = tiny_bert(tmp_path / "tensorflow")
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, array in tiny_weights().items():
        ending = ".".join(name.split(".")[-2:])
        renamed[name.replace(ending, old.get(ending, ending))] = array
    save_file(renamed, folder / "model.safetensors")
    build(folder, tmp_path / "third")
    graphs = {(tmp_path / name / "model.onnx").read_bytes() for name in ("first", "second", "third")}
    assert len(graphs) == 1


def test_half_precision_weights_are_widened(tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint")
    change_weights(folder, lambda w: w.update({name: array.astype(np.float16) for name, array in w.items()}))
    encoder, reference = build(folder, tmp_path / "bundle"), ReferenceBert(folder)
    expected = np.stack([reference.pooled(ids_of(text), "mean")["layer-2"] for text in TEXTS])
    assert_parity(encoder.run(prepared(encoder, TEXTS), "layer-2", normalize=False), expected)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("hidden_act", "gelu_new", "hidden_act is 'gelu_new'"),
        ("model_type", "roberta", "model_type is 'roberta'"),
        ("position_embedding_type", "relative_key", "position_embedding_type"),
        ("is_decoder", True, "is_decoder"),
        ("num_attention_heads", 5, "no multiple of 5 heads"),
        ("num_hidden_layers", 10**9, "num_hidden_layers is 1000000000"),
        ("num_hidden_layers", 3, "encoder.layer.2.attention.self.query.weight"),
        ("vocab_size", 9_999_999, "shape (110, 32); config.json asks for (9999999, 32)"),
        ("hidden_size", 64, "embeddings.word_embeddings.weight"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused_by_name(tmp_path, field, value, said):
    folder = tiny_bert(tmp_path / "checkpoint", **{field: value})
    with pytest.raises(InvalidInput) as refused:
        build(folder, tmp_path / "bundle")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda w: w.pop(QUERY), f"lacks the tensor '{QUERY}'"),
        (
            lambda w: w.update({QUERY: np.zeros((32, 16), np.float32)}),
            f"'{QUERY}' of model.safetensors has shape (32, 16)",
        ),
        (lambda w: w[QUERY].__setitem__((3, 4), np.nan), f"'{QUERY}' of model.safetensors holds numbers that are not"),
        (lambda w: w[QUERY].__setitem__((3, 4), np.inf), f"'{QUERY}' of model.safetensors holds numbers that are not"),
        (lambda w: w.update({QUERY: w[QUERY].astype(np.int32)}), f"'{QUERY}' of model.safetensors is I32"),
        (lambda w: w.update({QUERY: w[QUERY].astype(np.float64)}), f"'{QUERY}' of model.safetensors is F64"),
    ],
    ids=["missing", "misshapen", "nan", "infinite", "integers", "double"],
)
def test_a_wrong_tensor_is_refused_by_name(tmp_path, plant, said):
    folder = tiny_bert(tmp_path / "checkpoint")
    change_weights(folder, plant)
    with pytest.raises(InvalidInput) as refused:
        build(folder, tmp_path / "bundle")
    assert said in str(refused.value)


def header(**tensors: object) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip, as torch saves it",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 99_999_999) + b"{}",
        header(a={"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}),
        header(a={"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}),
        header(a={"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}) + bytes(16),
        header(a={"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}) + bytes(16),
    ],
    ids=["empty", "zip", "endless header", "long header", "outside", "overflow", "backwards", "before"],
)
def test_a_hostile_safetensors_file_is_refused_before_anything_is_allocated(tmp_path, content):
    folder = tiny_bert(tmp_path / "checkpoint")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(InvalidInput, match="no safetensors file"):
        build(folder, tmp_path / "bundle")


def test_a_truncated_checkpoint_is_refused(tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match="no safetensors file"):
        build(folder, tmp_path / "bundle")


def test_bfloat16_is_refused_with_what_to_do(tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint")
    shape = tiny_weights()["embeddings.word_embeddings.weight"].shape
    size = 2 * shape[0] * shape[1]
    entry = {"dtype": "BF16", "shape": shape, "data_offsets": [0, size]}
    content = header(**{"embeddings.word_embeddings.weight": entry}) + bytes(size)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(InvalidInput, match="is BF16; save the checkpoint as F32 or F16"):
        build(folder, tmp_path / "bundle")


def test_a_pickle_is_never_opened(tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match=r"pytorch_model\.bin is a pickle, which is never opened"):
        build(folder, tmp_path / "bundle")


def test_a_checkpoint_in_several_files_is_refused(tmp_path):
    folder = tiny_bert(tmp_path / "checkpoint")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(InvalidInput, match="cut into several files"):
        build(folder, tmp_path / "bundle")
