"""Reads ONNX files that someone else wrote: their external data may point anywhere, and is followed only downwards."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto
from onnx.defs import onnx_opset_version
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

from frostline.server.errors import InvalidInput

_OLDEST_OPSET = 7  # of ONNX Runtime
_MAX_BYTES = 2**31 - 1  # of one protobuf message


def read(path: Path) -> ModelProto:
    """Reads a model without its external data, and checks that `write` can put that inside.

    Args:
        path: the file; external data may lie beside it or below.

    Raises:
        InvalidInput: no such file, no ONNX model, an opset that is not known, data outside the folder or missing, or
            2 GiB and more altogether.
    """
    if not path.is_file():
        raise InvalidInput(f"{path.parent} has no {path.name}; export the model under that name")
    _check_size(path, path.stat().st_size)
    try:
        model = ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise InvalidInput(f"{path.name} is no ONNX model: {error}; export it again") from error
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    newest = onnx_opset_version()
    if not _OLDEST_OPSET <= opset <= newest:
        raise InvalidInput(f"{path.name} has opset {opset}; export it with one from {_OLDEST_OPSET} to {newest}")
    _check_size(path, path.stat().st_size + sum(file.stat().st_size for file in _external_files(model, path)))
    return model


def write(model: ModelProto, read_from: Path, path: Path) -> None:
    """Writes a model with its weights inside; the same bytes where they were inside already.

    Args:
        model: what `read` gave.
        read_from: the file it was read from.
        path: the file to write.
    """
    if not _external_files(model, read_from):
        shutil.copyfile(read_from, path)
        return
    load_external_data_for_model(model, str(read_from.parent))
    path.write_bytes(model.SerializeToString())


def _check_size(path: Path, size: int) -> None:
    if size > _MAX_BYTES:
        raise InvalidInput(f"{path.name} and its data have {size} bytes; an ONNX graph holds less than 2 GiB")


def _external_files(model: ModelProto, path: Path) -> set[Path]:
    return {_external_file(tensor, path) for tensor in _tensors(model) if uses_external_data(tensor)}


def _external_file(tensor: TensorProto, model: Path) -> Path:
    location, folder = ExternalDataInfo(tensor).location, model.parent.resolve()
    path = (folder / location).resolve()
    if not path.is_relative_to(folder):
        raise InvalidInput(
            f"{model}: tensor {tensor.name!r} keeps its data in {location!r}, outside the model's folder; "
            "export the model with its data beside it"
        )
    if not path.is_file():
        raise InvalidInput(f"{model}: tensor {tensor.name!r} keeps its data in {location!r}, which is missing")
    return path


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _tensors_of_graph(model.graph)
    for function in model.functions:
        yield from _tensors_of_nodes(function.node)


def _tensors_of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _tensors_of_attribute(attribute)


def _tensors_of_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield from (attribute.t, *attribute.tensors)
    for graph in (attribute.g, *attribute.graphs):
        yield from _tensors_of_graph(graph)
