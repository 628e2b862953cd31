"""Heads as files for elsewhere."""

from frostline.server.encoders.registry import Registry
from frostline.server.errors import InvalidInput
from frostline.server.heads import artifact
from frostline.server.heads.joining import joined
from frostline.server.heads.store import Heads
from frostline.v1 import head_service_pb2 as pb


def export(heads: Heads, registry: Registry, name: str, request: pb.ExportHeadRequest) -> bytes:
    """Makes the file of a version.

    Args:
        heads: the heads.
        registry: the encoders, for those that are exported with one.
        name: of the head.
        request: which version, in which format.

    Raises:
        InvalidInput: the format is not known, or asks for an encoder where the head has none.
        NotFound: there is no such head or version, or its encoder is gone.
        NotReady: it is not ready.
        SpaceMismatch: the encoder has changed.
        DataDamaged: a file is not what was written.
    """
    version = heads.get(name).ready_version(request.version)
    folder = heads.folders.artifact(name, version)
    match request.format:
        case pb.EXPORT_FORMAT_UNSPECIFIED | pb.EXPORT_FORMAT_ARCHIVE:
            return artifact.pack(folder, version.config)
        case pb.EXPORT_FORMAT_HEAD_ONNX:
            return artifact.graph_bytes(folder)
        case pb.EXPORT_FORMAT_ONNX if version.config.encoder:
            artifact.graph_bytes(folder)  # so that nothing damaged is joined
            graph = joined(registry.folder(version.config.encoder), version.config.space, folder / artifact.GRAPH)
            return graph.SerializeToString()
        case pb.EXPORT_FORMAT_ONNX:
            raise InvalidInput(
                f"head {name!r} takes vectors and has no encoder; export its own graph (the format head-onnx)"
            )
        case _:
            raise InvalidInput(f"export format {request.format} is unknown to this server")
