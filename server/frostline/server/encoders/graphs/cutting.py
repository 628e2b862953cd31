"""Reads ONNX graphs, and cuts them down to the outputs that are asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from frostline.server.errors import InvalidInput


def read(path: Path) -> ModelProto:
    """Reads a graph.

    Raises:
        InvalidInput: the file is none.
    """
    try:
        return ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise InvalidInput(f"{path.name} is no ONNX graph: {error}") from error


def cut(model: ModelProto, outputs: Sequence[str], name: str) -> ModelProto:
    """Leaves out of a graph, in place, what some of its outputs do not need: onnxruntime would run it all.

    Args:
        model: the graph.
        outputs: names of outputs.
        name: of the file, for messages.

    Raises:
        InvalidInput: it lacks an output, or keeps weights in other files.
    """
    graph = model.graph
    _refuse_external_data(graph, name)
    kept = [value for output in outputs for value in graph.output if value.name == output]
    if len(kept) != len(outputs):
        known = ", ".join(value.name for value in graph.output)
        raise InvalidInput(f"{name} lacks one of the outputs {', '.join(outputs)}; it has {known}")
    needed = set(outputs)
    for index in reversed(range(len(graph.node))):  # ONNX stores nodes in topological order
        if needed.intersection(graph.node[index].output):
            needed.update(_reads(graph.node[index]))
        else:
            del graph.node[index]
    for index in reversed(range(len(graph.initializer))):  # in place: weights are not copied
        if graph.initializer[index].name not in needed:
            del graph.initializer[index]
    graph.ClearField("output")
    graph.output.extend(kept)
    return model


def _reads(node: NodeProto) -> Iterator[str]:
    yield from node.input
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from _reads(inner)


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs within a node: branches and bodies of loops."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _refuse_external_data(graph: GraphProto, name: str) -> None:
    tensors = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute)]
    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise InvalidInput(f"{name} keeps the tensor {tensor.name!r} in another file; store it inside")
    for node in graph.node:
        for inner in subgraphs(node):
            _refuse_external_data(inner, name)
