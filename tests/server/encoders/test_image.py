import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import tiny
from frostline.server.encoders import golden
from frostline.server.encoders.bundle import MANIFEST, Preprocessing
from frostline.server.encoders.encoder import Prepared
from frostline.server.encoders.image import ImageEncoder, crop, pixels
from frostline.server.encoders.sources import onnx_folder
from frostline.server.errors import DataDamaged, InvalidInput, NotFound

EXACT = ["mobilenet_v2_imagenet", "mobilenet_v2_inat_bird", "squeezenet_fp16_imagenet"]
OTHER_ROUNDING = ["mobilenet_v1_025_128_imagenet", "mobilenet_v1_075_192_imagenet"]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def how(**fields: Any) -> Preprocessing:
    return Preprocessing.model_validate({"height": 16, "width": 16, "resize_shorter_side": 18} | fields)


@pytest.fixture
def encoder(tmp_path: Path) -> Iterator[ImageEncoder]:
    onnx_folder.build(tiny.tiny_image(tmp_path / "source"), tmp_path / "bundle", "tiny")
    encoder = ImageEncoder(tmp_path / "bundle", threads=1)
    yield encoder
    encoder.close()


def ready(encoder: ImageEncoder, *contents: bytes) -> list[Prepared]:
    prepared = encoder.prepare(contents)
    assert all(isinstance(result, Prepared) for result in prepared)
    return [result for result in prepared if isinstance(result, Prepared)]


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (31, 48), (48, 31), (5, 7), (18, 18), (1, 1), (141, 18)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_resize_and_crop_follow_torchvision(size: tuple[int, int], interpolation: str) -> None:
    # torchvision 0.20: functional.resize -> _compute_resized_output_size, center_crop; written out again here.
    image = noise(*size)
    width, height = size
    target = (18, int(18 * height / width)) if width <= height else (int(18 * width / height), 18)
    resized = image.resize(target, getattr(Image.Resampling, interpolation.upper()))
    top, left = int(round((target[1] - 16) / 2.0)), int(round((target[0] - 16) / 2.0))  # noqa: RUF046 - as there
    expected = resized.crop((left, top, left + 16, top + 16))
    assert np.array_equal(np.asarray(crop(image, how(interpolation=interpolation))), np.asarray(expected))


def test_half_a_pixel_of_crop_goes_to_the_even_side() -> None:
    # 19 - 16 leaves 3: 1.5 rounds to 2, where a floor gives 1.
    columns = np.broadcast_to(np.arange(19, dtype=np.uint8), (3, 19, 19)).transpose(1, 2, 0)
    cut = np.asarray(crop(Image.fromarray(columns), how(resize_shorter_side=19)))
    assert cut[0, :, 0].tolist() == list(range(2, 18))


def test_the_longer_side_is_cut_down_and_not_rounded() -> None:
    seen: list[tuple[int, int]] = []

    class Watched(Image.Image):
        def resize(self, size: Any, *args: Any, **options: Any) -> Image.Image:
            seen.append(size)
            return super().resize(size, *args, **options)

    image = noise(31, 48)
    image.__class__ = Watched
    crop(image, how())
    assert seen == [(18, 27)]  # 27.87
    image = noise(41, 31)
    image.__class__ = Watched
    crop(image, how())
    assert seen[1:] == [(23, 18)]  # 23.81


def test_without_a_shorter_side_the_image_is_squeezed_into_the_size() -> None:
    image = noise(50, 20)
    expected = image.resize((16, 12), Image.Resampling.BILINEAR)
    given = crop(image, how(resize_shorter_side=0, height=12))
    assert np.array_equal(np.asarray(given), np.asarray(expected))


@pytest.mark.parametrize("shorter_side", [0, 18])
@pytest.mark.parametrize("size", [(1, 2_000_000), (2_000_000, 1), (3, 1_000_000), (2, 17)])
def test_a_very_long_image_needs_little_memory(size: tuple[int, int], shorter_side: int) -> None:
    # 18 x 36,000,000 pixels would take 2.6 GB. Pillow counts its blocks of 16 MB.
    image = Image.new("RGB", size, (10, 200, 30))
    Image.core.reset_stats()
    cut = crop(image, how(resize_shorter_side=shorter_side))
    assert Image.core.get_stats()["allocated_blocks"] <= 4
    assert np.array_equal(np.asarray(cut), np.broadcast_to(np.uint8([10, 200, 30]), (16, 16, 3)))


def test_squeezing_a_very_long_image_needs_little_memory() -> None:
    # Pillow's filter takes 16 bytes for each pixel of the longer side: 64 MB here, more than it counts as blocks.
    code = """
from PIL import Image
from frostline.server.encoders.bundle import Preprocessing
from frostline.server.encoders.image import crop

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1])

image = Image.new("RGB", (1, 4_000_000))
before = peak()
crop(image, Preprocessing(height=16, width=16, resize_shorter_side=0))
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB


def test_the_middle_of_a_long_image_is_what_is_seen() -> None:
    image = Image.new("RGB", (1, 10_001), (255, 0, 0))
    for y in range(4_990, 5_011):
        image.putpixel((0, y), (0, 0, 255))
    assert np.asarray(crop(image, how()))[..., 2].min() == 255


def test_pixels_are_rescaled_and_normalised_by_channel() -> None:
    image = Image.new("RGB", (16, 16), (255, 0, 51))
    given = how(mean=(0.5, 0.25, 0.1), std=(0.5, 0.25, 2.0))
    values = pixels(image, given)
    assert values.dtype == np.float32
    assert values.shape == (3, 16, 16)
    assert values.flags.c_contiguous
    np.testing.assert_allclose(values[:, 3, 5], [1.0, -1.0, 0.05], atol=1e-6)
    swapped = given.model_copy(update={"channel_order": "BGR"})
    np.testing.assert_allclose(pixels(image, swapped)[:, 3, 5], [-0.6, -1.0, 0.45], atol=1e-6)
    last = given.model_copy(update={"layout": "NHWC"})
    assert np.array_equal(pixels(image, last), values.transpose(1, 2, 0))


def test_height_and_width_are_not_swapped() -> None:
    assert pixels(noise(40, 40), how(height=10, width=14)).shape == (3, 10, 14)
    assert pixels(noise(40, 40), how(height=10, width=14, resize_shorter_side=0)).shape == (3, 10, 14)


def test_one_broken_image_among_32_fails_alone(encoder: ImageEncoder) -> None:
    contents = [png(noise(20 + i, 30)) for i in range(32)]
    contents[13] = contents[13][:200]
    results = encoder.prepare(contents)
    assert [i for i, result in enumerate(results) if isinstance(result, InvalidInput)] == [13]
    alone = np.concatenate([encoder.run(ready(encoder, c), "embedding", False) for c in contents[:13] + contents[14:]])
    together = encoder.run([r for r in results if isinstance(r, Prepared)], "embedding", False)
    assert together.shape == (31, tiny.IMAGE_DIMENSIONS)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together[0] - together[1:]).max(axis=1).min() > 1e-4  # the pictures do differ


def test_layers_and_unit_length(encoder: ImageEncoder) -> None:
    batch = ready(encoder, png(noise(20, 20)), png(noise(20, 20, seed=1)))
    plain = encoder.run(batch, "embedding", False)
    unit = encoder.run(batch, "embedding", True)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)
    assert encoder.run(batch, "logits", False).shape == (2, tiny.IMAGE_CLASSES)
    with pytest.raises(NotFound, match="embedding, logits"):
        encoder.run(batch, "pooled", False)


def test_vectors_equal_the_graph_run_by_hand(encoder: ImageEncoder, tmp_path: Path) -> None:
    import onnxruntime

    image = noise(33, 21)
    session = onnxruntime.InferenceSession(tmp_path / "source" / "model.onnx")
    left, top = round((int(18 * 33 / 21) - 16) / 2), 1
    resized = image.resize((28, 18), Image.Resampling.BILINEAR).crop((left, top, left + 16, top + 16))
    array = (np.asarray(resized, np.float32) / 255 - 0.5) / 0.5
    expected = session.run(["embedding"], {"pixel_values": array.transpose(2, 0, 1)[None]})[0]
    np.testing.assert_allclose(encoder.run(ready(encoder, png(image)), "embedding", False), expected, atol=1e-5)


def test_texts_and_images_above_the_limit_are_refused(tmp_path: Path) -> None:
    onnx_folder.build(tiny.tiny_image(tmp_path / "source"), tmp_path / "bundle", "tiny")
    encoder = ImageEncoder(tmp_path / "bundle", max_pixels=399)
    text, large, fine = encoder.prepare(["a text", png(noise(20, 20)), png(noise(19, 21))])
    assert "takes image files" in str(text)
    assert "above the limit of 399 pixels" in str(large)
    assert isinstance(fine, Prepared)
    assert (fine.length, fine.tokens, fine.truncated) == (1, 0, False)
    assert encoder.device == "cpu"
    encoder.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"modality": "text"}, "no image encoder"),
        ({"preprocessing": None}, "no image encoder"),
        ({"preprocessing": {"height": 16, "width": 20, "resize_shorter_side": 18}}, "crop of 20 x 16 is larger"),
        ({"preprocessing": {"height": 16, "width": 16, "std": [1, 0, 1]}}, "holds a zero"),
    ],
)
def test_a_manifest_that_cannot_work_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    onnx_folder.build(tiny.tiny_image(tmp_path / "source"), tmp_path / "bundle", "tiny")
    path = tmp_path / "bundle" / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InvalidInput, match=says):
        ImageEncoder(tmp_path / "bundle")


def test_golden_vectors_notice_another_model_and_damage(encoder: ImageEncoder, tmp_path: Path) -> None:
    kept = tmp_path / "bundle" / golden.GOLDEN
    assert golden.largest_difference(encoder, kept) < 1e-6
    onnx_folder.build(tiny.tiny_image(tmp_path / "other", seed=1), tmp_path / "other-bundle", "other")
    other = ImageEncoder(tmp_path / "other-bundle")
    assert golden.largest_difference(other, kept) > 0.1
    other.close()
    kept.write_bytes(kept.read_bytes()[:-40])
    with pytest.raises(DataDamaged, match="no golden vectors"):
        golden.largest_difference(encoder, kept)


def fixture_encoder(fixtures: Path, name: str, tmp_path: Path) -> tuple[ImageEncoder, list[dict[str, Any]]]:
    onnx_folder.build(fixtures / "models" / name, tmp_path / name, "fixture")
    cases = json.loads((fixtures / "models" / name / "golden.json").read_text())["cases"]
    assert len(cases) == 3
    return ImageEncoder(tmp_path / name), cases


def check(vector: NDArray[np.float32], case: dict[str, Any]) -> None:
    assert vector.shape == (case["dim"],)
    np.testing.assert_allclose(vector[:8], case["first8"], atol=1e-4 * case["l2"])
    assert np.linalg.norm(vector) == pytest.approx(case["l2"], rel=1e-4)


@pytest.mark.parametrize("name", EXACT)
def test_golden_values_of_real_models(fixtures: Path, tmp_path: Path, name: str) -> None:
    encoder, cases = fixture_encoder(fixtures, name, tmp_path)
    batch = ready(encoder, *((fixtures / case["image"]).read_bytes() for case in cases))
    logits = encoder.run(batch, "logits", False)
    for vector, row, case in zip(encoder.run(batch, case_output(cases), False), logits, cases, strict=True):
        check(vector, case)
        assert int(row.argmax()) == case["top1_index"]
    encoder.close()


def case_output(cases: list[dict[str, Any]]) -> str:
    return str(cases[0]["output"])


@pytest.mark.parametrize("name", OTHER_ROUNDING)
def test_golden_values_made_with_another_rounding(fixtures: Path, tmp_path: Path, name: str) -> None:
    # Their makers rounded the longer side and took the crop's floor; with that done by hand the graph agrees, and
    # our own rounding, a pixel off, stays close.
    encoder, cases = fixture_encoder(fixtures, name, tmp_path)
    given = encoder.manifest.preprocessing
    assert given is not None
    side, size = given.resize_shorter_side, given.width
    for case in cases:
        data = (fixtures / case["image"]).read_bytes()
        image = Image.open(io.BytesIO(data)).convert("RGB")
        long = round(side * max(image.size) / min(image.size))
        image = image.resize((side, long) if image.width < image.height else (long, side), Image.Resampling.BILINEAR)
        left, top = (image.width - size) // 2, (image.height - size) // 2
        array = pixels(
            image.crop((left, top, left + size, top + size)), given.model_copy(update={"resize_shorter_side": 0})
        )
        [by_hand] = encoder.run([Prepared(array, 1, 0, False)], case["output"], False)
        check(by_hand, case)
        [ours] = encoder.run(ready(encoder, data), case["output"], False)
        assert cosine(ours, by_hand) > 0.95
    encoder.close()


def test_an_int8_model_agrees_with_its_float_original(fixtures: Path, tmp_path: Path) -> None:
    encoder, cases = fixture_encoder(fixtures, "mobilenet_v2_imagenet_int8", tmp_path)
    original, _ = fixture_encoder(fixtures, "mobilenet_v2_imagenet", tmp_path)
    for case in cases:
        data = (fixtures / case["image"]).read_bytes()
        [ours] = encoder.run(ready(encoder, data), "embedding", False)
        [exact] = original.run(ready(original, data), "embedding", False)
        assert cosine(ours, exact) > 0.99
        assert np.linalg.norm(ours) == pytest.approx(case["l2"], rel=0.05)
        [logits] = encoder.run(ready(encoder, data), "logits", False)
        assert int(logits.argmax()) == case["top1_index"]
    encoder.close()
    original.close()


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
