"""Golden vectors: inputs beside the vectors an encoder gave for them when it was built.

`golden.npz` holds `contents` (uint8: image files, or texts in UTF-8, one after the other), `lengths` (int64 of shape
(n,): bytes of each) and `vectors` (float32 of shape (n, d): the default layer, not normalised). Another runtime, driver
or device must reproduce them.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.encoders.encoder import Content, Encoder
from frostline.server.errors import DataDamaged, InvalidInput

GOLDEN = "golden.npz"
_MAX_BYTES = 64 << 20


def write(encoder: Encoder, contents: Sequence[Content], path: Path) -> None:
    """Embeds contents and keeps both.

    Args:
        encoder: the encoder as it was just built.
        contents: a few inputs it can read.
        path: the file to write.

    Raises:
        InvalidInput: one of the contents cannot be read, or the encoder gives infinite values for it.
    """
    raw = [content.encode() if isinstance(content, str) else content for content in contents]
    np.savez(
        path,
        contents=np.frombuffer(b"".join(raw), np.uint8),
        lengths=np.array([len(data) for data in raw], np.int64),
        vectors=_embed(encoder, contents),
    )


def largest_difference(encoder: Encoder, path: Path) -> float:
    """Embeds the kept contents again and compares.

    Args:
        encoder: an encoder that should give the kept vectors.
        path: what `write` wrote.

    Returns:
        The largest Euclidean distance between a vector and its golden one, as a part of the golden one's length.

    Raises:
        DataDamaged: the file is not what `write` writes.
        InvalidInput: the encoder cannot read one of the contents.
    """
    try:
        contents, expected = _read(path, text=encoder.manifest.modality == "text")
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataDamaged(f"{path} holds no golden vectors: {error}; delete the encoder and add it again") from error
    found = _embed(encoder, contents)
    if found.shape != expected.shape:
        raise DataDamaged(f"{path} holds vectors of shape {expected.shape}, the encoder gives {found.shape}")
    distances = np.linalg.norm(found - expected, axis=1)
    return float(np.max(distances / np.maximum(np.linalg.norm(expected, axis=1), 1e-12), initial=0.0))


def _read(path: Path, text: bool) -> tuple[list[Content], NDArray[np.float32]]:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _MAX_BYTES:
        raise ValueError(f"{size} bytes unpacked, more than {_MAX_BYTES}")
    with np.load(path, allow_pickle=False) as arrays:
        joined, lengths, vectors = arrays["contents"].tobytes(), arrays["lengths"], arrays["vectors"]
    if lengths.sum() != len(joined) or len(lengths) != len(vectors):
        raise ValueError("contents, lengths and vectors do not fit each other")
    ends = np.cumsum(lengths)
    raw = [joined[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return [data.decode() if text else data for data in raw], vectors.astype(np.float32)


def _embed(encoder: Encoder, contents: Sequence[Content]) -> NDArray[np.float32]:
    prepared = encoder.prepare(contents)
    for result in prepared:
        if isinstance(result, InvalidInput):
            raise result
    ready = [result for result in prepared if not isinstance(result, InvalidInput)]
    try:
        vectors = encoder.run(ready, encoder.manifest.layer().name, normalize=False)
    except Exception as error:  # a graph that someone else made may fail in any way
        raise InvalidInput(f"the graph of encoder {encoder.manifest.name!r} cannot be run: {error}") from error
    if not np.isfinite(vectors).all():
        raise InvalidInput(f"encoder {encoder.manifest.name!r} gives values that are not finite; export it again")
    return vectors
