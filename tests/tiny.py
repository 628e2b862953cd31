"""Small frozen models, written in milliseconds without torch.

Biases and norms are drawn away from 0 and 1, so that leaving one out changes the output.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS, MAX_TOKENS = 32, 2, 4, 64, 80, 64
IMAGE_DIMENSIONS, IMAGE_CLASSES, IMAGE_SIDE = 8, 5, 16

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = "the a of to and is in it file line word text list key red blue cat dog house frozen trained encoder head"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_VOCABULARY = (*_SPECIAL, *_WORDS.split(), *_LETTERS[1:], *(f"##{x}" for x in _LETTERS), *".,:;!?'()-_")


def tiny_bert(
    folder: Path,
    *,
    seed: int = 0,
    pooling: str = "mean",
    prompts: dict[str, str] | None = None,
    prefix: str = "",
    **config: object,
) -> Path:
    """Writes a sentence-transformers checkpoint of a BERT of 2 layers and 32 dimensions; at most 64 tokens a text.

    Args:
        folder: made if missing.
        seed: of the weights.
        pooling: key of 1_Pooling/config.json: mean, cls, lasttoken, max.
        prompts: for config_sentence_transformers.json.
        prefix: put before tensor names; `bert.` in some checkpoints.
        config: fields of config.json that differ.
    """
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    save_file(tiny_weights(seed, prefix), folder / "model.safetensors", metadata={"format": "pt"})
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    modes = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken", "max": "max_tokens"}
    files: dict[str, Any] = {
        "config.json": tiny_config() | config,
        "1_Pooling/config.json": {
            "word_embedding_dimension": HIDDEN,
            **{f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()},
        },
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(
                (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
            )
        ],
        "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts or {}},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A tiny BERT for tests\n")
    return folder


def tiny_config() -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "type_vocab_size": 2,
        "vocab_size": len(_VOCABULARY),
    }


def tiny_weights(seed: int = 0, prefix: str = "") -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(_VOCABULARY), HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INTERMEDIATE, HIDDEN),
            ("output.dense", HIDDEN, INTERMEDIATE),
        ):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (HIDDEN,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (HIDDEN,)
    return {prefix + name: _draw(random, name, shape) for name, shape in shapes.items()}


def _draw(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if name.endswith("LayerNorm.weight"):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return random.normal(0.0, 0.3, shape).astype(np.float32)


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(WordPiece({word: index for index, word in enumerate(_VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    # As in the published MiniLM file: a shorter limit and fixed padding, both to be ignored.
    tokenizer.enable_truncation(MAX_TOKENS // 2)
    tokenizer.enable_padding(length=MAX_TOKENS // 2)
    return tokenizer


def tiny_image(folder: Path, *, seed: int = 0) -> Path:
    """Writes `model.onnx` (16 x 16 RGB to `embedding` (n, 8) and `logits` (n, 5)) and `preprocess.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)

    def weight(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(random.normal(0.0, 0.5, shape).astype(np.float32), name)

    def value(name: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixel_values", "kernel", "bias"], ["conv"], strides=[2, 2]),
            helper.make_node("Relu", ["conv"], ["relu"]),
            helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
            helper.make_node("Flatten", ["pool"], ["embedding"]),
            helper.make_node("Gemm", ["embedding", "class_weight", "class_bias"], ["logits"]),
        ],
        "tiny_image",
        [value("pixel_values", "N", 3, IMAGE_SIDE, IMAGE_SIDE)],
        [value("embedding", "N", IMAGE_DIMENSIONS), value("logits", "N", IMAGE_CLASSES)],
        [
            weight("kernel", IMAGE_DIMENSIONS, 3, 3, 3),
            weight("bias", IMAGE_DIMENSIONS),
            weight("class_weight", IMAGE_DIMENSIONS, IMAGE_CLASSES),
            weight("class_bias", IMAGE_CLASSES),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "preprocess.json").write_text(json.dumps(_PREPROCESS, indent=1))
    return folder


_PREPROCESS = {
    "input_name": "pixel_values",
    "layout": "NCHW",
    "dtype": "float32",
    "size": [IMAGE_SIDE, IMAGE_SIDE],
    "resize_shorter_side": 18,
    "crop": "center",
    "interpolation": "bilinear",
    "channel_order": "RGB",
    "rescale": 1 / 255,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
