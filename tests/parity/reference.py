"""Embeds texts with sentence-transformers on torch: what the service must equal. Runs in an environment with torch.

    .venv-torch/bin/python tests/parity/reference.py checked-in CHECKPOINT  writes minilm_reference.npz beside it
    .venv-torch/bin/python tests/parity/reference.py live CHECKPOINT OUT    embeds the same texts into OUT
    .venv-torch/bin/python tests/parity/reference.py random FOLDER OUT      also saves a random BERT to FOLDER first

The texts are docstrings of the Python standard library (PSF licence), cut to 1, 3, 5, ... 399 tokens, and five awkward
ones. `minilm_reference.npz` keeps texts and vectors, so that the tests need neither torch nor the same Python.
"""

import argparse
import ast
import json
import random
import sysconfig
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHECKED_IN = Path(__file__).with_name("minilm_reference.npz")
MAX_TOKENS = 256
AWKWARD = ["", " \n\t ", "Größe, naïveté, Ελλάδα, Москва", "東京は晴れ 😀 🇫🇮", "x" * 500]


def docstrings() -> list[str]:
    """All docstrings of the standard library's sources, in an order that depends on nothing but them."""
    found: set[str] = set()
    for path in Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        found |= {ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)}
    texts = sorted(found)
    random.Random(0).shuffle(texts)
    return texts


def choose(checkpoint: Path) -> list[str]:
    """200 docstrings, cut to 1, 3, 5, ... 399 tokens (special ones not counted), and the awkward ones."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    waiting, chosen = list(range(399, 0, -2)), []
    for text in docstrings():
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        fitting = next((size for size in waiting if size <= len(offsets)), None)
        if fitting is not None:
            waiting.remove(fitting)
            chosen.append((fitting, text[: offsets[fitting - 1][1]]))
    return [text for _, text in sorted(chosen)] + AWKWARD


def embed(checkpoint: Path, texts: list[str], **options: object) -> NDArray[np.float32]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
    model.max_seq_length = min(MAX_TOKENS, model.max_seq_length or MAX_TOKENS)
    return np.asarray(model.encode(texts, batch_size=16, **options), np.float32)


def save_random_bert(folder: Path) -> None:
    """A BERT as transformers saves it, with sentence-transformers around it; nothing is left at 0 or 1."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    words = [*"abcdefghijklmnopqrstuvwxyz0123456789", *(f"##{x}" for x in "abcdefghijklmnopqrstuvwxyz0123456789")]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *".,:;!?()-_'", "the", "of", "a", "is", "to"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=80,
        max_position_embeddings=160,
        layer_norm_eps=1e-7,
    )
    model = BertModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "LayerNorm.weight" in name else 0.0, 0.3)
    inner = folder / "transformer"
    model.save_pretrained(inner)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(inner)
    transformer = Transformer(str(inner), max_seq_length=128)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="cls")
    SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu").save_pretrained(str(folder))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["checked-in", "live", "random"])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=CHECKED_IN)
    arguments = parser.parse_args()
    if arguments.kind == "checked-in":
        texts = choose(arguments.checkpoint)
    else:
        texts = json.loads(str(np.load(CHECKED_IN)["texts"]))
    if arguments.kind == "random":
        save_random_bert(arguments.checkpoint)
    vectors = embed(arguments.checkpoint, texts)
    np.savez_compressed(arguments.out, texts=np.array(json.dumps(texts)), vectors=vectors)


if __name__ == "__main__":
    main()
