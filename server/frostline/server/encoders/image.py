"""Image encoders: image files to embeddings."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from frostline.server.encoders import decoding
from frostline.server.encoders.bundle import MODEL, Manifest, Preprocessing, load_manifest
from frostline.server.encoders.encoder import Content, Prepared, Truncate
from frostline.server.encoders.session import Sessions
from frostline.server.errors import InvalidInput

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_MAX_ASPECT = 8
_MAX_DECODERS = 4  # each may hold a few hundred MB of a large picture


def crop(image: Image.Image, how: Preprocessing) -> Image.Image:
    """Resizes an image and cuts out its centre.

    The shorter side becomes `resize_shorter_side`, the longer `int(resize_shorter_side * longer / shorter)`, resampled
    by Pillow, which widens the filter when shrinking (antialias). The crop begins at `round((side - size) / 2)`, a half
    to the even number. An image more than 8 times as long as wide first loses its far ends, which the crop cannot see:
    a side of a few pixels would otherwise be enlarged to gigabytes.

    Args:
        image: RGB of any size.
        how: `resize_shorter_side` (0: straight to height and width), `height`, `width`, `interpolation`.

    Returns:
        RGB of `how.width` x `how.height` pixels.

    Source: torchvision 0.20 `transforms.functional.resize` and `center_crop` for PIL images.
    """
    short, long = sorted(image.size)
    if not how.resize_shorter_side:
        gap = float(_MAX_ASPECT) if long > _MAX_ASPECT * short else None
        return image.resize((how.width, how.height), _FILTERS[how.interpolation], reducing_gap=gap)
    if long > _MAX_ASPECT * short:
        image = _middle(image, _MAX_ASPECT * short)
        long = max(image.size)
    size = how.resize_shorter_side, int(how.resize_shorter_side * long / short)
    width, height = size if image.width <= image.height else size[::-1]
    resized = image.resize((width, height), _FILTERS[how.interpolation])
    left, top = round((width - how.width) / 2), round((height - how.height) / 2)
    return resized.crop((left, top, left + how.width, top + how.height))


def _middle(image: Image.Image, keep: int) -> Image.Image:
    left, top = max(0, (image.width - keep) // 2), max(0, (image.height - keep) // 2)
    return image.crop((left, top, image.width - left, image.height - top))


def pixels(image: Image.Image, how: Preprocessing) -> NDArray[np.float32]:
    """Turns an image into what a graph takes: `(value * rescale - mean) / std`.

    Args:
        image: RGB of any size.
        how: all of it.

    Returns:
        float32 of shape (3, height, width), or (height, width, 3) for the layout NHWC.
    """
    values = np.asarray(crop(image, how))
    if how.channel_order == "BGR":
        values = values[..., ::-1]
    std = np.array(how.std)
    scaled = values * (how.rescale / std).astype(np.float32) - (np.array(how.mean) / std).astype(np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1) if how.layout == "NCHW" else scaled)


class ImageEncoder:
    """Embeds image files with the graph of a bundle. Satisfies `Encoder`.

    Args:
        folder: the bundle.
        device: `auto`, `cpu` or `cuda:N`.
        threads: of the graph; 0 takes one for each core.
        max_pixels: the most pixels of an image, width times height.

    Raises:
        NotFound: the folder holds no bundle.
        DataDamaged: its manifest cannot be read.
        InvalidInput: the manifest is not one of an image encoder.
    """

    def __init__(
        self, folder: Path, device: str = "auto", threads: int = 0, max_pixels: int = decoding.MAX_PIXELS
    ) -> None:
        self._manifest = load_manifest(folder)
        self._fingerprint = self._manifest.fingerprint()
        self._preprocessing = _checked(self._manifest)
        self._max_pixels = max_pixels
        self._sessions = Sessions(folder / MODEL, self._manifest.layer().output, device, threads)
        # Pillow releases the GIL while it decodes and resizes.
        self._decoders = ThreadPoolExecutor(min(_MAX_DECODERS, os.cpu_count() or 1), "decode")

    @property
    def manifest(self) -> Manifest:
        """What the encoder is."""
        return self._manifest

    @property
    def fingerprint(self) -> str:
        """Hash of all that changes its output, 64 hexadecimal digits."""
        return self._fingerprint

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`."""
        return self._sessions.device

    def prepare(
        self, contents: Sequence[Content], prefix: str = "", truncate: Truncate = Truncate.RIGHT
    ) -> list[Prepared | InvalidInput]:
        """Decodes, resizes and crops image files, several at a time; `prefix` and `truncate` are for texts.

        Args:
            contents: n image files.
            prefix: ignored.
            truncate: ignored.

        Returns:
            n results in the same order; an error for each input that is no readable image.

        Raises:
            NotFound: the encoder was deleted.
        """
        try:
            decoded = self._decoders.map(self._prepare, contents)
        except RuntimeError:
            self._sessions.expect_open()
            raise
        return list(decoded)

    def _prepare(self, content: Content) -> Prepared | InvalidInput:
        if isinstance(content, str):
            return InvalidInput(f"encoder {self._manifest.name!r} takes image files, not texts; send image bytes")
        try:
            array = pixels(decoding.decode(content, self._max_pixels), self._preprocessing)
        except InvalidInput as error:
            return error
        return Prepared(array, length=1, tokens=0, truncated=False)

    def run(self, batch: Sequence[Prepared], layer: str, normalize: bool) -> NDArray[np.float32]:
        """Runs the graph up to a layer.

        Args:
            batch: n prepared images.
            layer: one of `manifest.layers`.
            normalize: whether rows get unit length; rows of zeros stay zero.

        Returns:
            float32 of shape (n, d), d the layer's dimensions.

        Raises:
            NotFound: the encoder has no such layer, or was deleted.
        """
        taken = self._manifest.layer(layer)
        output = taken.normalized_output if normalize and taken.normalized_output else taken.output
        stacked = np.stack([prepared.array for prepared in batch])
        vectors = self._sessions.get(output).run({self._preprocessing.input_name: stacked})[0].astype(np.float32)
        return self._manifest.space(layer, normalize=normalize).fit(vectors)

    def close(self) -> None:
        """Frees the graph and the threads; what is under way ends first."""
        self._sessions.close()
        self._decoders.shutdown(wait=False)


def _checked(manifest: Manifest) -> Preprocessing:
    how = manifest.preprocessing
    if manifest.modality != "image" or how is None:
        raise InvalidInput(f"encoder {manifest.name!r} is no image encoder: its manifest has no preprocessing")
    if how.resize_shorter_side and how.resize_shorter_side < max(how.height, how.width):
        raise InvalidInput(
            f"encoder {manifest.name!r}: the crop of {how.width} x {how.height} is larger than the shorter side "
            f"of {how.resize_shorter_side} it is cut from; correct the preprocessing"
        )
    if 0.0 in how.std:
        raise InvalidInput(f"encoder {manifest.name!r}: std {how.std} holds a zero; correct the preprocessing")
    return how
