"""BERT, with ONNX Runtime's fused operators, straight from the weights.

Source: Devlin et al. 2019; tensor names of transformers' `BertModel`; operators of ONNX Runtime's ContribOperators.md.
"""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from pydantic import BaseModel, ConfigDict, Field, model_validator

from frostline.server.encoders.bundle import Layer
from frostline.server.encoders.graphs.checkpoint import Checkpoint
from frostline.server.encoders.graphs.operators import MICROSOFT, Graph, dense, masks, pool, unit_length
from frostline.server.encoders.space import Pooling


class BertConfig(BaseModel):
    """The fields of `config.json` that shape the graph; defaults are those of transformers' `BertConfig`.

    Attributes:
        model_type: the family.
        hidden_act: activation; fused BiasGelu is the exact (erf) gelu.
        position_embedding_type: learned, one a position.
        is_decoder: a decoder would not see the tokens after its own.
        hidden_size: dimensions of a token embedding.
        num_hidden_layers: transformer layers.
        num_attention_heads: divides hidden_size.
        intermediate_size: dimensions between the two dense layers.
        vocab_size: token ids.
        type_vocab_size: token types; only the first is used.
        max_position_embeddings: the most tokens.
        layer_norm_eps: added to the variance.
    """

    model_config = ConfigDict(frozen=True)

    model_type: Literal["bert"]
    hidden_act: Literal["gelu"] = "gelu"
    position_embedding_type: Literal["absolute"] = "absolute"
    is_decoder: Literal[False] = False
    hidden_size: int = Field(default=768, gt=0, le=16384)
    num_hidden_layers: int = Field(default=12, gt=0, le=256)
    num_attention_heads: int = Field(default=12, gt=0, le=1024)
    intermediate_size: int = Field(default=3072, gt=0, le=65536)
    vocab_size: int = Field(default=30522, gt=0, le=10_000_000)
    type_vocab_size: int = Field(default=2, gt=0, le=1024)
    max_position_embeddings: int = Field(default=512, gt=0, le=1_000_000)
    layer_norm_eps: float = Field(default=1e-12, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_hidden_size(self) -> Self:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is no multiple of {self.num_attention_heads} heads")
        return self


def bert_layers(config: BertConfig) -> tuple[Layer, ...]:
    """The depths of the graph: `embeddings`, `layer-1`, ..., the last layer."""
    names = ("embeddings", *(f"layer-{number}" for number in range(1, config.num_hidden_layers + 1)))
    return tuple(
        Layer(name=name, dimensions=config.hidden_size, output=name, normalized_output=f"{name}.normalized")
        for name in names
    )


def build_bert(config: BertConfig, checkpoint: Checkpoint, pooling: Pooling) -> ModelProto:
    """Builds the graph of an encoder: every depth pooled, raw and at unit length.

    Args:
        config: of the checkpoint.
        checkpoint: its weights.
        pooling: MEAN, CLS or LAST_TOKEN.

    Returns:
        A model from `input_ids` and `attention_mask`, int64 of shape (n, t), to the outputs of `bert_layers`, float32
        of shape (n, hidden_size). The same weights give the same bytes.

    Raises:
        InvalidInput: a tensor is missing, misshapen or not finite.
    """
    graph, layers = Graph(), bert_layers(config)
    masks(graph, pooling)
    hidden = _embeddings(graph, config, checkpoint, "embeddings")
    outputs: dict[str, int] = {}
    for number, layer in enumerate(layers):
        if number:
            hidden = _layer(graph, config, checkpoint, f"encoder.layer.{number - 1}", hidden)
        pool(graph, pooling, hidden, layer.output)
        unit_length(graph, layer.output, layer.normalized_output)
        outputs |= {layer.output: layer.dimensions, layer.normalized_output: layer.dimensions}
    return graph.text_model("bert", outputs)


def _embeddings(graph: Graph, config: BertConfig, checkpoint: Checkpoint, name: str) -> str:
    size = config.hidden_size
    words = checkpoint.take(f"{name}.word_embeddings.weight", (config.vocab_size, size))
    positions = checkpoint.take(f"{name}.position_embeddings.weight", (config.max_position_embeddings, size))
    types = checkpoint.take(f"{name}.token_type_embeddings.weight", (config.type_vocab_size, size))
    graph.apply("Cast", ["input_ids"], "ids", to=TensorProto.INT32)
    # A single text is all of type 0, so that its vector can be added to the positions beforehand.
    inputs = ["ids", "", graph.weight("words", words), graph.weight("positions", positions + types[0]), ""]
    inputs += [*_norm(graph, checkpoint, f"{name}.LayerNorm", size), "mask"]
    outputs = (f"{name}.tokens", "lengths_in_batch")
    return graph.apply("EmbedLayerNormalization", inputs, *outputs, epsilon=config.layer_norm_eps, domain=MICROSOFT)


def _layer(graph: Graph, config: BertConfig, checkpoint: Checkpoint, name: str, hidden: str) -> str:
    size, wide = config.hidden_size, config.intermediate_size
    attended = _attention(graph, config, checkpoint, f"{name}.attention.self", hidden)
    mixed = _add_and_norm(graph, config, checkpoint, f"{name}.attention.output", attended, size, hidden)
    inner = dense(
        graph, mixed, f"{name}.intermediate.dense", _weight(checkpoint, f"{name}.intermediate.dense", wide, size)
    )
    bias = graph.weight(f"{name}.intermediate.dense.bias", checkpoint.take(f"{name}.intermediate.dense.bias", (wide,)))
    activated = graph.apply("BiasGelu", [inner, bias], f"{name}.intermediate", domain=MICROSOFT)
    return _add_and_norm(graph, config, checkpoint, f"{name}.output", activated, wide, mixed)


def _attention(graph: Graph, config: BertConfig, checkpoint: Checkpoint, name: str, hidden: str) -> str:
    size, parts = config.hidden_size, [f"{name}.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([_weight(checkpoint, part, size, size).T for part in parts], axis=1)
    bias = np.concatenate([checkpoint.take(f"{part}.bias", (size,)) for part in parts])
    inputs = [hidden, graph.weight(f"{name}.weight", weight), graph.weight(f"{name}.bias", bias), "lengths_in_batch"]
    return graph.apply("Attention", inputs, name, num_heads=config.num_attention_heads, domain=MICROSOFT)


def _add_and_norm(
    graph: Graph, config: BertConfig, checkpoint: Checkpoint, name: str, inputs: str, width: int, skip: str
) -> str:
    size = config.hidden_size
    projected = dense(graph, inputs, f"{name}.dense", _weight(checkpoint, f"{name}.dense", size, width))
    scale, shift = _norm(graph, checkpoint, f"{name}.LayerNorm", size)
    bias = graph.weight(f"{name}.dense.bias", checkpoint.take(f"{name}.dense.bias", (size,)))
    inputs_of_norm = [projected, skip, scale, shift, bias]
    return graph.apply("SkipLayerNormalization", inputs_of_norm, name, epsilon=config.layer_norm_eps, domain=MICROSOFT)


def _weight(checkpoint: Checkpoint, name: str, rows: int, columns: int) -> NDArray[np.float32]:
    return checkpoint.take(f"{name}.weight", (rows, columns))


def _norm(graph: Graph, checkpoint: Checkpoint, name: str, size: int) -> tuple[str, str]:
    # Checkpoints converted from TensorFlow keep its names.
    scale, shift = ("gamma", "beta") if f"{name}.gamma" in checkpoint else ("weight", "bias")
    return (
        graph.weight(f"{name}.weight", checkpoint.take(f"{name}.{scale}", (size,))),
        graph.weight(f"{name}.bias", checkpoint.take(f"{name}.{shift}", (size,))),
    )
