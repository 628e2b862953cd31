import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from frostline.server.encoders import bundle
from frostline.server.encoders.bundle import PREPROCESSING_RULES, Layer, Manifest, Preprocessing
from frostline.server.encoders.decoding import decode
from frostline.server.encoders.image import crop

PIXELS = {
    "nearest": "429932efded5ea1e",
    "bilinear": "84e202f49cb8b3ed",
    "bicubic": "a4b75459f5b12658",
    "lanczos": "edc2c96f4953b19c",
}
HOW = Preprocessing(height=16, width=16, resize_shorter_side=18)


def manifest(**fields: Any) -> Manifest:
    layers = (Layer(name="pooled", dimensions=4, output="pooled"),)
    known = {"name": "tiny", "layers": layers, "default_layer": "pooled", "normalize": False}
    return Manifest.model_validate(known | fields)


def text(**fields: Any) -> Manifest:
    return manifest(modality="text", max_tokens=8, **fields)


def image(**fields: Any) -> Manifest:
    return manifest(modality="image", preprocessing=HOW, **fields)


def test_only_files_that_an_encoder_reads_change_its_fingerprint():
    files = {"model.onnx": "1" * 64, "tokenizer.json": "2" * 64}
    plain = text(files=files).fingerprint()
    assert text(files=files | {"README.md": "3" * 64, "golden.npz": "4" * 64}).fingerprint() == plain
    for name in files:
        assert text(files=files | {name: "5" * 64}).fingerprint() != plain


def test_other_rules_of_decoding_give_images_another_fingerprint_and_texts_the_same(monkeypatch):
    before = text().fingerprint(), image().fingerprint()
    monkeypatch.setattr(bundle, "PREPROCESSING_RULES", PREPROCESSING_RULES + 1)
    assert text().fingerprint() == before[0]
    assert image().fingerprint() != before[1]


def png(values: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_pixels_are_those_of_these_rules(interpolation):
    """Where they change, also by a new Pillow, PREPROCESSING_RULES must be raised, and then these hashes."""
    rows, columns = np.mgrid[0:31, 0:48]
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures = (
        png(np.stack([rows * 8, columns * 5, (rows ^ columns) * 4, rows * columns % 256], -1).astype(np.uint8)),
        png((rows * columns * 44).astype(np.uint16)),
        png(np.stack([rows * 8, columns * 5, rows + columns], -1).astype(np.uint8), exif=turned),
    )
    how = HOW.model_copy(update={"interpolation": interpolation})
    seen = b"".join(crop(decode(picture), how).tobytes() for picture in pictures)
    assert (PREPROCESSING_RULES, hashlib.sha256(seen).hexdigest()[:16]) == (1, PIXELS[interpolation])
