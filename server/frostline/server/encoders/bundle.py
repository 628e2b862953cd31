"""Bundles: an encoder on disk is a folder with a manifest.

    manifest.json           what this file describes
    model.onnx              the graph, weights inside
    tokenizer.json          text encoders
    golden.npz              inputs and vectors the graph must reproduce (optional)

The fingerprint hashes what changes the output. Names, licences, sources and other files do not.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from frostline.server.encoders.space import EmbeddingSpace, Pooling
from frostline.server.errors import DataDamaged, InvalidInput, NotFound

MANIFEST = "manifest.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"

PREPROCESSING_RULES = 1
"""Version of how images are decoded and resized here. Raise it with every change of code that changes pixels."""

_CHANGING_FILES = (MODEL, TOKENIZER)  # all that an encoder reads

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Layer(_Frozen):
    """A depth of an encoder whose output can be taken.

    Attributes:
        name: as users ask for it: `embeddings`, `layer-1`, ..., `pooled`.
        dimensions: length of its vectors.
        output: the graph's tensor of shape (n, dimensions), pooled and not normalised.
        normalized_output: the same at unit length where the graph computes it, else empty.
    """

    name: str
    dimensions: int = Field(gt=0)
    output: str
    normalized_output: str = ""


class Preprocessing(_Frozen):
    """How an image file becomes pixels: decode, resize the shorter side, crop the centre, rescale, normalise.

    Attributes:
        input_name: the graph's input.
        height: pixels after the crop.
        width: pixels after the crop.
        resize_shorter_side: pixels of the shorter side before the crop; 0 resizes to height and width directly.
        interpolation: filter of the resize.
        rescale: factor on values of 0 to 255.
        mean: subtracted after rescaling, by channel in the order of `channel_order`.
        std: divided by after that.
        channel_order: order of the channels the graph takes.
        layout: order of the axes the graph takes.
    """

    input_name: str = "pixel_values"
    height: int = Field(gt=0, le=4096)
    width: int = Field(gt=0, le=4096)
    resize_shorter_side: int = Field(default=0, ge=0, le=8192)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    rescale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channel_order: Literal["RGB", "BGR"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"


class Manifest(_Frozen):
    """What an encoder is; `manifest.json` in its bundle.

    Attributes:
        name: lower-case letters, digits, dots and hyphens.
        modality: what it takes.
        layers: its depths, shallow to deep.
        default_layer: the depth taken when none is asked for.
        normalize: whether vectors get unit length when nothing is asked for.
        pooling: how token embeddings are pooled.
        max_tokens: the most tokens of a text, special tokens included; 0 for images.
        prompts: prefixes by name; `query` and `document` are empty where missing.
        preprocessing: how images become pixels; none for texts.
        license: SPDX identifier where there is one.
        source: where the weights came from.
        files: sha256 of each file of the bundle but the manifest.
    """

    name: Name
    modality: Literal["text", "image"]
    layers: tuple[Layer, ...] = Field(min_length=1)
    default_layer: str
    normalize: bool
    pooling: Pooling = Pooling.NONE
    max_tokens: int = Field(default=0, ge=0)
    prompts: dict[str, str] = {}
    preprocessing: Preprocessing | None = None
    license: str = ""
    source: str = ""
    files: dict[str, str] = {}

    def layer(self, name: str = "") -> Layer:
        """Finds a layer by name; the default layer when the name is empty.

        Raises:
            NotFound: the encoder has no such layer.
        """
        wanted = name or self.default_layer
        for layer in self.layers:
            if layer.name == wanted:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise NotFound(f"encoder {self.name!r} has no layer {wanted!r}; it has {known}")

    def fingerprint(self) -> str:
        """Hashes what changes the output: graph, tokenizer, layers, pooling, length, preprocessing and its rules.

        Returns:
            64 hexadecimal digits (sha256 of canonical JSON).
        """
        changing = self.model_dump(mode="json", include={"modality", "pooling", "max_tokens", "preprocessing"})
        changing["layers"] = {layer.name: layer.model_dump(mode="json") for layer in self.layers}
        changing["files"] = {path: sha for path, sha in self.files.items() if path in _CHANGING_FILES}
        if self.modality == "image":
            changing["preprocessing_rules"] = PREPROCESSING_RULES
        return hashlib.sha256(json.dumps(changing, sort_keys=True).encode()).hexdigest()

    def space(self, layer: str = "", dimensions: int = 0, normalize: bool | None = None) -> EmbeddingSpace:
        """The space of vectors made with these options.

        Args:
            layer: a layer's name; empty takes the default.
            dimensions: the first so many are kept; 0 keeps all.
            normalize: whether vectors get unit length; None takes the default.

        Raises:
            NotFound: the encoder has no such layer.
            InvalidInput: more dimensions than the layer has, or a negative number.
        """
        taken = self.layer(layer)
        if not 0 <= dimensions <= taken.dimensions:
            raise InvalidInput(
                f"dimensions {dimensions} is out of range: layer {taken.name!r} of encoder {self.name!r} "
                f"has {taken.dimensions}; ask for 1 to {taken.dimensions}, or 0 for all"
            )
        return EmbeddingSpace(
            fingerprint=self.fingerprint(),
            layer=taken.name,
            pooling=self.pooling,
            dimensions=dimensions or taken.dimensions,
            normalize=self.normalize if normalize is None else normalize,
        )


def sha256_of(path: Path) -> str:
    """Hashes a file in pieces; 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_manifest(folder: Path) -> Manifest:
    """Reads a bundle's manifest.

    Raises:
        NotFound: there is no manifest.
        DataDamaged: it is not what Frostline writes; says which field.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"{folder} holds no encoder: {MANIFEST} is missing") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise DataDamaged(f"{path}: {field}: {first['msg']}; delete the encoder and add it again") from error
