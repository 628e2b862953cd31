"""Image encoders from a folder with `model.onnx` and `preprocess.json`.

    model.onnx         one image input; each float output of shape (n, d) becomes a layer
    preprocess.json    how an image becomes that input, see `Description`
    SOURCE.md          optional; its `- Licence:` and `- Source:` lines are kept

The graph's weights end up inside the bundle, those in files of external data too.
"""

import io
import re
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frostline.server.encoders import golden
from frostline.server.encoders.bundle import MANIFEST, MODEL, Layer, Manifest, Preprocessing, sha256_of
from frostline.server.encoders.image import ImageEncoder
from frostline.server.encoders.sources import onnx_file
from frostline.server.errors import InvalidInput

PREPROCESS = "preprocess.json"

_DEFAULT_LAYER = "embedding"
_MAX_PREPROCESS_BYTES = 1 << 20
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


class Description(BaseModel):
    """`preprocess.json`.

    Attributes:
        input_name: the graph's input.
        layout: order of its axes.
        dtype: of the input.
        size: height and width of the input in pixels.
        resize_shorter_side: pixels of the shorter side before the crop; 0 resizes to `size` directly.
        crop: where `size` is cut from.
        interpolation: filter of the resize.
        channel_order: order of the channels the graph takes.
        rescale: factor on values of 0 to 255.
        mean: subtracted after rescaling, by channel.
        std: divided by after that.
        note: for people.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    input_name: str = "pixel_values"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["float32"] = "float32"
    size: tuple[int, int]
    resize_shorter_side: int = Field(default=0, ge=0)
    crop: Literal["center"] = "center"
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    rescale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    note: str = ""

    def preprocessing(self) -> Preprocessing:
        """The same as a manifest keeps it."""
        kept = self.model_dump(exclude={"dtype", "size", "crop", "note"})
        return Preprocessing(height=self.size[0], width=self.size[1], **kept)


def build(folder: Path, into: Path, name: str) -> Manifest:
    """Builds a bundle and computes its golden vectors from a drawn picture.

    Vectors keep their length (`normalize` is False): the heads of image models are trained on them so. The default
    layer is the output `embedding`, else the first.

    Args:
        folder: the folder described above.
        into: the bundle's folder; made if missing.
        name: of the encoder.

    Raises:
        InvalidInput: a file is missing, or is not what this module can build from; says which and what to change.
    """
    description = _read_description(folder / PREPROCESS)
    model = onnx_file.read(folder / MODEL)
    _check_input(model, description)
    layers = _layers(model)
    names = [layer.name for layer in layers]
    license_name, source = _provenance(folder / "SOURCE.md")
    into.mkdir(parents=True, exist_ok=True)
    onnx_file.write(model, folder / MODEL, into / MODEL)
    manifest = Manifest(
        name=name,
        modality="image",
        layers=layers,
        default_layer=_DEFAULT_LAYER if _DEFAULT_LAYER in names else names[0],
        normalize=False,
        preprocessing=description,
        license=license_name,
        source=source,
        files={MODEL: sha256_of(into / MODEL)},
    )
    _write_manifest(manifest, into)
    encoder = ImageEncoder(into, device="cpu")
    try:
        golden.write(encoder, [_picture()], into / golden.GOLDEN)
    finally:
        encoder.close()
    manifest = manifest.model_copy(update={"files": manifest.files | {golden.GOLDEN: sha256_of(into / golden.GOLDEN)}})
    _write_manifest(manifest, into)
    return manifest


def _write_manifest(manifest: Manifest, into: Path) -> None:
    (into / MANIFEST).write_text(manifest.model_dump_json(indent=1))


def _read_description(path: Path) -> Preprocessing:
    if not path.is_file():
        raise InvalidInput(
            f"{path.parent.name} has no {PREPROCESS}; write one beside {MODEL} with at least size, and mean, std and "
            "resize_shorter_side as the model was trained"
        )
    if path.stat().st_size > _MAX_PREPROCESS_BYTES:
        raise InvalidInput(f"{path.name} has {path.stat().st_size} bytes; a description has a few hundred")
    try:
        return Description.model_validate_json(path.read_bytes()).preprocessing()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidInput(f"{PREPROCESS}: {field}: {first['msg']}; correct it and add the encoder again") from error


def _shape(value: ValueInfoProto) -> list[int]:
    return [axis.dim_value for axis in value.type.tensor_type.shape.dim]  # 0: free


def _check_input(model: ModelProto, how: Preprocessing) -> None:
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in stored}
    if list(inputs) != [how.input_name]:
        raise InvalidInput(
            f"{MODEL} takes {', '.join(inputs) or 'nothing'}, {PREPROCESS} gives {how.input_name!r}; "
            "one image input of that name is needed"
        )
    value = inputs[how.input_name]
    shape, axes = _shape(value), (3, how.height, how.width)
    expected = (0, *axes) if how.layout == "NCHW" else (0, *axes[1:], axes[0])
    fits = len(shape) == 4 and all(a in (0, b) for a, b in zip(shape, expected, strict=True))
    if value.type.tensor_type.elem_type != TensorProto.FLOAT or not fits:
        kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        raise InvalidInput(
            f"{MODEL} takes {how.input_name!r} as {kind} of shape {shape}, {PREPROCESS} gives FLOAT of shape "
            f"{list(expected)} (0: any size); export the model with a free batch axis, or correct {PREPROCESS}"
        )


def _layers(model: ModelProto) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for value in model.graph.output:
        shape = _shape(value)
        if value.type.tensor_type.elem_type in _FLOATS and len(shape) == 2 and shape[1] > 0:
            layers.append(Layer(name=value.name, dimensions=shape[1], output=value.name))
    if not layers:
        found = ", ".join(f"{value.name} {_shape(value)}" for value in model.graph.output)
        raise InvalidInput(
            f"{MODEL} has no float output of shape (n, d) with a fixed d, but {found}; pool it in the graph"
        )
    return tuple(layers)


def _provenance(path: Path) -> tuple[str, str]:
    text = path.read_text("utf-8", "replace")[:_MAX_PREPROCESS_BYTES] if path.is_file() else ""
    license_name = re.search(r"^- Licen[cs]e: *([^\s(,;]+)", text, re.MULTILINE)
    source = re.search(r"^- Source: *(.+)$", text, re.MULTILINE)
    return license_name[1].rstrip(".") if license_name else "", source[1][:500] if source else ""


def _picture() -> bytes:
    """A picture with edges, gradients and colours that depends on nothing but this function."""
    rows, columns = np.mgrid[0:320, 0:400]
    channels = (rows * columns // 500, (rows // 40 + columns // 50) % 2 * 200, np.hypot(rows - 160, columns - 200))
    values = np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()
