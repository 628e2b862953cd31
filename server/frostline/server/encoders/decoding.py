"""Image files to pixels: the one place that lets Pillow read bytes from outside.

Rule 1: only listed formats are tried; Pillow knows dozens of rarely tested ones.
Rule 2: the number of pixels is read from the header and checked before anything is decoded.
Rule 3: a file that ends early is refused, never filled up with grey.
"""

import io
import threading

import numpy as np
from PIL import ExifTags, Image

from frostline.server.errors import InvalidInput

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 50_000_000

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LIMIT = threading.Lock()


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Reads an image file.

    Turned as its EXIF orientation says. Transparent pixels are laid on white. CMYK is converted without a colour
    profile, Adobe's inverted values read as such. 16-bit grey is scaled to 8 bit. Of an animation the first frame.

    Args:
        data: a JPEG, PNG, WebP, GIF or BMP file.
        max_pixels: the most pixels, width times height.

    Returns:
        An RGB image.

    Raises:
        InvalidInput: empty, not one of these formats, above `max_pixels`, damaged or cut off.
    """
    if not data:
        raise InvalidInput("image is empty (0 bytes); send the bytes of a JPEG, PNG, WebP, GIF or BMP file")
    _raise_pillows_limit(max_pixels)
    image = _open(data, max_pixels)
    width, height = image.size
    if width * height > max_pixels:
        raise InvalidInput(
            f"image of {width} x {height} pixels is above the limit of {max_pixels} pixels; "
            "make it smaller, or raise the server's limit"
        )
    try:
        image.load()
        turn = _TURNS.get(_orientation(image))
        return _rgb(image if turn is None else image.transpose(turn))
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise InvalidInput(
            f"image ({image.format}, {len(data)} bytes) is damaged or cut off: {error}; send the whole file"
        ) from error


def _raise_pillows_limit(max_pixels: int) -> None:
    # Never lifted: some formats allocate while they are opened, before their size can be checked here.
    with _LIMIT:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidInput(
            f"image is far above the limit of {max_pixels} pixels; make it smaller, or raise the server's limit"
        ) from error
    except Exception as error:
        raise InvalidInput(
            f"image of {len(data)} bytes beginning with {data[:8]!r} is of another format, damaged or cut off; "
            "send a whole JPEG, PNG, WebP, GIF or BMP file"
        ) from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are whole; only the note beside them is not
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255; 65535 / 255 is 257.
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(seen, mask=seen.getchannel("A"))
        return white
    return image.convert("RGB")
