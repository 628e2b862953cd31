"""Encoder and head as one ONNX graph: what the encoder takes in, what the head gives out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from frostline.server.encoders.bundle import MODEL, load_manifest
from frostline.server.encoders.graphs.cutting import cut, read, subgraphs
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InvalidInput, SpaceMismatch
from frostline.server.heads.graph import INPUT, IR_VERSION, LOGITS, OLDEST_OPSET, PROBABILITIES, SCOPE, VALUES

_OUTPUTS = LOGITS, PROBABILITIES, VALUES, SCOPE
_SHORTEST = 1e-12


def joined(bundle: Path, space: EmbeddingSpace, head: Path) -> ModelProto:
    """Joins the graph of a head to that of its encoder.

    Args:
        bundle: folder of the encoder.
        space: that the head was trained in; says which layer is taken, how much of it, and of what length.
        head: the head's graph.

    Returns:
        A graph that takes what the encoder takes and gives what the head gives.

    Raises:
        NotFound: there is no such encoder or layer.
        SpaceMismatch: the encoder makes vectors of another space.
        InvalidInput: the encoder's graph cannot be joined to another.
    """
    manifest = load_manifest(bundle)
    layer = manifest.layer(space.layer)
    if manifest.space(space.layer, space.dimensions, space.normalize) != space:
        raise SpaceMismatch(
            f"encoder {manifest.name!r} makes vectors of another space than the head was trained in; export with the "
            "encoder of the head, or train the head anew"
        )
    whole = space.dimensions == layer.dimensions
    unit = space.normalize and whole and bool(layer.normalized_output)
    output = layer.normalized_output if unit else layer.output
    model, tail = cut(read(bundle / MODEL), [output], MODEL), read(head).graph
    _expect_operators(model)
    taken = "encoder/" + output
    _rename(model.graph, {name: "encoder/" + name for name in (output, *_OUTPUTS)})
    _rename(tail, {name: "head/" + name for name in _names(tail) if name not in _OUTPUTS})
    _fit(model.graph, taken, "head/" + INPUT, space.dimensions, unit_length=space.normalize and not unit)
    model.graph.node.extend(tail.node)
    model.graph.initializer.extend(tail.initializer)
    model.graph.ClearField("output")
    model.graph.output.extend(tail.output)
    model.ir_version = max(model.ir_version, IR_VERSION)
    return model


def _expect_operators(model: ModelProto) -> None:
    version = next((each.version for each in model.opset_import if not each.domain), 0)
    if version < OLDEST_OPSET:
        raise InvalidInput(
            f"the encoder's graph is written in version {version} of ONNX's operators; a head can be joined to one of "
            f"version {OLDEST_OPSET} or later: export the head alone"
        )


def _fit(graph: GraphProto, taken: str, name: str, dimensions: int, *, unit_length: bool) -> None:
    """Makes of an encoder's output what `EmbeddingSpace.fit` makes of it."""

    def constant(of: str, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        graph.initializer.append(numpy_helper.from_array(array, f"fit/{of}"))
        return f"fit/{of}"

    def apply(operator: str, *inputs: str, to: str) -> str:
        graph.node.append(helper.make_node(operator, inputs, [to], to))
        return to

    graph.node.append(helper.make_node("Cast", [taken], ["fit/float32"], "fit/float32", to=TensorProto.FLOAT))
    limits = [constant(of, np.array([place])) for of, place in (("start", 0), ("end", dimensions), ("axis", 1))]
    cut_off = apply("Slice", "fit/float32", *limits, to="fit/cut" if unit_length else name)
    if unit_length:
        squares = apply("Mul", cut_off, cut_off, to="fit/squares")
        summed = apply("MatMul", squares, constant("ones", np.ones((dimensions, 1), np.float32)), to="fit/summed")
        length = apply("Sqrt", summed, to="fit/length")
        floor = constant("floor", np.array(_SHORTEST, np.float32))
        apply("Div", cut_off, apply("Max", length, floor, to="fit/divisor"), to=name)


def _names(graph: GraphProto) -> set[str]:
    return {name for node in graph.node for name in (*node.input, *node.output) if name}


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Gives tensors other names, wherever they are spoken of."""
    for weight in graph.initializer:
        weight.name = names.get(weight.name, weight.name)
    for value in (*graph.value_info, *graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for inner in subgraphs(node):
            _rename(inner, names)
