"""Checks of a bundle: are its files what was written, and does its graph still give the vectors it gave."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from frostline.server.encoders import golden
from frostline.server.encoders.bundle import Manifest, sha256_of
from frostline.server.encoders.encoder import Content, Encoder, Prepared
from frostline.server.errors import FrostlineError, InvalidInput

GOLDEN_TOLERANCE = 1e-3
"""Largest distance of a vector to its golden one, as a part of its length; other runtimes stay far below."""

BATCH_TOLERANCE = 1e-5
"""Largest difference that neighbors in a batch may make, as a part of a vector's length."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found.

    Attributes:
        name: what was checked.
        passed: whether it held.
        detail: the figure, or what differs.
    """

    name: str
    passed: bool
    detail: str


def check_files(folder: Path, manifest: Manifest) -> list[Check]:
    """Compares the sha256 of every file with the manifest; one check a file."""
    return [_check_file(folder / name, sha) for name, sha in sorted(manifest.files.items())]


def check_outputs(encoder: Encoder, folder: Path) -> list[Check]:
    """Runs every layer alone and in a batch, and compares the default layer with the golden vectors.

    Args:
        encoder: the encoder that was loaded from the folder.
        folder: the bundle.
    """
    checks = [_guarded(f"layer {layer.name}", encoder, layer.name) for layer in encoder.manifest.layers]
    if (folder / golden.GOLDEN).exists():
        checks.append(_check_golden(encoder, folder / golden.GOLDEN))
    return checks


def samples(manifest: Manifest) -> list[Content]:
    """Inputs of different kinds and lengths, the same on every machine."""
    return list(_TEXTS if manifest.modality == "text" else _pictures())


_TEXTS = (
    "Frozen encoders, trained heads.",
    "",
    "A text of several sentences. It has a second one, with numbers (1, 23, 456) and signs: $ % & @ #!",
    "Größe, naïveté, Ελλάδα, Москва, 東京, 😀",
    "A longer text, to be padded against. " * 12,
)


def _pictures() -> Iterator[bytes]:
    rows, columns = np.mgrid[0:96, 0:128]
    for number in range(3):
        values = np.stack([rows * (number + 1), columns * 2, (rows ^ columns) * number], axis=-1) % 256
        file = io.BytesIO()
        Image.fromarray(values.astype(np.uint8)).save(file, "PNG")
        yield file.getvalue()


def _check_file(path: Path, expected: str) -> Check:
    try:
        found = sha256_of(path)
    except OSError as error:
        return Check(f"file {path.name}", passed=False, detail=f"cannot be read: {error.strerror}")
    if found != expected:
        return Check(f"file {path.name}", passed=False, detail=f"sha256 is {found}, the manifest has {expected}")
    return Check(f"file {path.name}", passed=True, detail=f"sha256 {found}")


def _guarded(name: str, encoder: Encoder, layer: str) -> Check:
    try:
        return _check_layer(name, encoder, layer)
    except Exception as error:  # a graph that someone else made may fail in any way
        return Check(name, passed=False, detail=f"cannot be run: {error}")


def _check_layer(name: str, encoder: Encoder, layer: str) -> Check:
    manifest = encoder.manifest
    prepared = [one for one in encoder.prepare(samples(manifest)) if not isinstance(one, InvalidInput)]
    if not prepared:
        return Check(name, passed=False, detail="none of the samples can be read")
    batched = encoder.run(prepared, layer, normalize=False)
    expected = len(prepared), manifest.layer(layer).dimensions
    if batched.shape != expected:
        return Check(name, passed=False, detail=f"gives shape {batched.shape}, the manifest says {expected}")
    if not np.isfinite(batched).all():
        return Check(name, passed=False, detail="gives numbers that are not finite")
    difference = _largest_difference(batched, _one_by_one(encoder, prepared, layer))
    return Check(name, difference <= BATCH_TOLERANCE, f"alone against batched: {difference:.1e}")


def _one_by_one(encoder: Encoder, prepared: list[Prepared], layer: str) -> NDArray[np.float32]:
    return np.concatenate([encoder.run([one], layer, normalize=False) for one in prepared])


def _largest_difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    lengths = np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1.0)
    return float(np.max(np.abs(first - second) / lengths, initial=0.0))


def _check_golden(encoder: Encoder, path: Path) -> Check:
    try:
        difference = golden.largest_difference(encoder, path)
    except FrostlineError as error:
        return Check("golden vectors", passed=False, detail=str(error))
    return Check("golden vectors", difference <= GOLDEN_TOLERANCE, f"largest difference {difference:.1e}")
