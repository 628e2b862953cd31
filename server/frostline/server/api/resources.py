"""Encoders as messages."""

from frostline.server.api.convert import space_message
from frostline.server.encoders.encoder import Encoder
from frostline.server.encoders.verification import Check
from frostline.v1 import encoder_service_pb2 as encoder_pb

_MODALITIES = {"text": encoder_pb.MODALITY_TEXT, "image": encoder_pb.MODALITY_IMAGE}


def encoder_message(encoder: Encoder, size_bytes: int) -> encoder_pb.Encoder:
    """Describes an encoder.

    Args:
        encoder: a loaded one.
        size_bytes: size of its files.
    """
    manifest = encoder.manifest
    return encoder_pb.Encoder(
        name=f"encoders/{manifest.name}",
        modality=_MODALITIES[manifest.modality],
        fingerprint=encoder.fingerprint,
        default_space=space_message(manifest.space()),
        layers=[encoder_pb.Layer(name=layer.name, dimensions=layer.dimensions) for layer in manifest.layers],
        max_tokens=manifest.max_tokens,
        prompts=manifest.prompts,
        license=manifest.license,
        source=manifest.source,
        device=encoder.device,
        size_bytes=size_bytes,
    )


def check_message(check: Check) -> encoder_pb.Check:
    """Says what a check of an encoder found."""
    return encoder_pb.Check(name=check.name, passed=check.passed, detail=check.detail)
