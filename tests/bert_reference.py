"""A second BERT, in numpy and float64, that shares nothing with the graph; and what counts as parity.

Source: Devlin et al. 2019; the order of operations is that of transformers' `BertModel`.
"""

import json
from math import erf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Array = NDArray[np.float64]


class ReferenceBert:
    """Embeds one text at a time from a checkpoint folder of tensor names without prefix."""

    def __init__(self, folder: Path) -> None:
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self.weights = {
            name: array.astype(np.float64) for name, array in load_file(folder / "model.safetensors").items()
        }

    def token_embeddings(self, ids: list[int]) -> dict[str, Array]:
        """Arrays of shape (t, d) for `embeddings`, `layer-1`, ..."""
        weights = self.weights
        hidden = weights["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = self._norm("embeddings.LayerNorm", hidden)
        layers = {"embeddings": hidden}
        for number in range(self.config["num_hidden_layers"]):
            hidden = self._layer(f"encoder.layer.{number}", hidden)
            layers[f"layer-{number + 1}"] = hidden
        return layers

    def pooled(self, ids: list[int], pooling: str) -> dict[str, Array]:
        pool = {"mean": lambda x: x.mean(axis=0), "cls": lambda x: x[0], "lasttoken": lambda x: x[-1]}[pooling]
        return {name: pool(tokens) for name, tokens in self.token_embeddings(ids).items()}

    def _layer(self, name: str, hidden: Array) -> Array:
        attended = self._dense(f"{name}.attention.output.dense", self._attention(f"{name}.attention.self", hidden))
        hidden = self._norm(f"{name}.attention.output.LayerNorm", attended + hidden)
        inner = self._dense(f"{name}.intermediate.dense", hidden)
        inner = inner * 0.5 * (1.0 + np.vectorize(erf)(inner / sqrt(2.0)))
        return self._norm(f"{name}.output.LayerNorm", self._dense(f"{name}.output.dense", inner) + hidden)

    def _attention(self, name: str, hidden: Array) -> Array:
        heads = self.config["num_attention_heads"]
        query, key, value = (
            self._dense(f"{name}.{part}", hidden).reshape(len(hidden), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = scores / scores.sum(axis=-1, keepdims=True) @ value
        return mixed.transpose(1, 0, 2).reshape(len(hidden), -1)

    def _dense(self, name: str, inputs: Array) -> Array:
        return inputs @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, name: str, inputs: Array) -> Array:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.config["layer_norm_eps"])
        return centred / spread * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def assert_parity(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Cosine at least 0.99999 and every component within 1e-4, for every row."""
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = (found * expected).sum(axis=1) / lengths
    difference = np.abs(found - expected).max()
    assert cosine.min() >= 0.99999, f"row {cosine.argmin()} has cosine {cosine.min():.6f}, not 0.99999"
    assert difference <= 1e-4, f"a component differs by {difference:.1e}, more than 1e-4"
