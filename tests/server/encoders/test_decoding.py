import io
import random
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFile

from frostline.server.encoders.decoding import decode
from frostline.server.errors import InvalidInput

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def quarters() -> Image.Image:
    """48 x 64: red and green above, blue and white below."""
    image = Image.new("RGB", (48, 64), RED)
    draw = ImageDraw.Draw(image)
    for box, colour in (((24, 0, 47, 31), GREEN), ((0, 32, 23, 63), BLUE), ((24, 32, 47, 63), WHITE)):
        draw.rectangle(box, colour)
    return image


def noise(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 48, 3), dtype=np.uint8))


def values(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 40),
        ("JPEG", {"quality": 95, "subsampling": 0}, 8),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 8),
        ("GIF", {}, 0),
    ],
)
def test_each_format_gives_its_pixels(kind: str, options: dict[str, Any], tolerance: int) -> None:
    image = decode(saved(quarters(), kind, **options))
    assert image.mode == "RGB"
    assert image.size == (48, 64)
    for x, y in ((8, 8), (40, 8), (8, 56), (40, 56)):
        assert np.abs(values(image)[y, x] - values(quarters())[y, x]).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_turns_the_image_upright(kind: str, orientation: int) -> None:
    # Stored as a camera would: the upright picture undone by the inverse of what a viewer must do.
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = quarters() if undo is None else quarters().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(saved(stored, kind, exif=exif, quality=95))
    assert image.size == (48, 64)
    for x, y in ((8, 8), (40, 8), (8, 56), (40, 56)):
        assert np.abs(values(image)[y, x] - values(quarters())[y, x]).max() < 60


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_spoil_an_image() -> None:
    assert decode(saved(quarters(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")).size == (48, 64)


def test_transparent_pixels_are_laid_on_white() -> None:
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (0, 0, 255, alpha))
    assert values(decode(saved(image, "PNG"))).tolist() == [[[255, 255, 255], [127, 127, 255], [0, 0, 255]]]
    grey = Image.merge("LA", (Image.new("L", (1, 1), 10), Image.new("L", (1, 1), 0)))
    assert values(decode(saved(grey, "PNG"))).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_laid_on_white(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert values(decode(saved(image, kind))).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert values(decode(saved(image, kind, transparency=0))).tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    grey = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], np.uint16)
    decoded = values(decode(saved(Image.fromarray(grey), "PNG")))[0]
    assert decoded[:, 0].tolist() == [0, 0, 1, 1, 128, 255, 255]
    assert (decoded == decoded[:, :1]).all()


def test_1_bit_images_are_black_and_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "BMP"):
        assert values(decode(saved(image, kind))).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_cmyk_is_converted_and_adobe_values_are_not_read_upside_down() -> None:
    # Pillow writes CMYK JPEG as Adobe does: inverted, with a marker that says so.
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert b"Adobe" in data
    assert np.abs(values(decode(data))[8, 8] - RED).max() <= 8


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    for kind in ("GIF", "WEBP"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert np.abs(values(decode(data))[4, 4] - RED).max() <= 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"not an image", "12 bytes beginning with b'not an i'"),
        (b"\xff\xd8\xff", "damaged or cut off"),
        (b"%PDF-1.7", "JPEG, PNG, WebP, GIF or BMP"),
    ],
)
def test_bytes_that_are_no_image_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        decode(data)
    assert says in str(raised.value)
    assert "send" in str(raised.value)


@pytest.mark.parametrize("kind", ["TIFF", "ICO", "PPM", "TGA", "PDF"])
def test_formats_that_are_not_listed_are_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="another format"):
        decode(saved(quarters(), kind))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_file_that_ends_early_is_refused(kind: str, part: float) -> None:
    data = saved(noise(), kind)
    assert decode(data).size == (48, 64)
    with pytest.raises(InvalidInput, match="cut off"):
        decode(data[: int(len(data) * part)])


def test_nobody_told_pillow_to_accept_truncated_files() -> None:
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_the_limit_of_pixels_is_exact_and_says_what_to_do() -> None:
    data = saved(Image.new("RGB", (100, 10)), "PNG")
    assert decode(data, max_pixels=1000).size == (100, 10)
    with pytest.raises(InvalidInput, match=r"100 x 10 pixels is above the limit of 999 pixels; make it smaller"):
        decode(data, max_pixels=999)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000, 2_000_000_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(InvalidInput, match="make it smaller"):
            decode(png_header(side, side))


def test_a_gif_whose_background_is_a_bomb_is_refused_before_it_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow fills the background of a GIF's frame while it opens the file, before anyone can look at its size."""

    def never(*_: object) -> None:
        raise AssertionError("memory was filled")

    monkeypatch.setattr(Image.core, "fill", never)
    size = struct.pack("<HH", 60_000, 60_000)
    disposed = b"!\xf9\x04\x08\0\0\0\0" + b"," + bytes(4) + size + b"\0" + b"\x02\x02\x44\x01\0;"
    with pytest.raises(InvalidInput, match="above the limit of 300000000 pixels; make it smaller"):
        decode(b"GIF89a" + size + b"\0\0\0" + disposed, max_pixels=300_000_000)


def test_pillow_has_no_lower_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    data = saved(Image.new("RGB", (100, 10)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        assert decode(data, max_pixels=1000).size == (100, 10)
    with pytest.raises(InvalidInput, match="above the limit of 999 pixels"):
        decode(data, max_pixels=999)
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
def test_damaged_files_never_raise_anything_else() -> None:
    chance = random.Random(7)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        whole = saved(noise(), kind)
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 20)):
                data[chance.randrange(min(len(data), chance.choice((64, len(data)))))] = chance.randrange(256)
            try:
                decode(bytes(data), max_pixels=1_000_000)
            except InvalidInput:
                pass
