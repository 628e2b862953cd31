"""Altered copies of texts and images, to be learned from beside them.

What a copy is made of decides how it is altered, and nothing else does: the same text or image has the same copies each
time, so examples that are added, removed or merged later have those they would have had at once.

Source: Wei and Zou 2019, section 2 (words left out at random); Szegedy et al. 2015, section 6 (crops of random scale
and aspect ratio, mirrored).
"""

import hashlib
import io
import math
import random

from PIL import Image

from frostline.server.encoders import decoding
from frostline.server.encoders.bundle import Preprocessing
from frostline.server.encoders.encoder import Content

LEFT_OUT = 0.1
"""So likely each word of a text is left out."""
SMALLEST_CROP = 0.7
"""The least share of an image's area that a crop keeps."""
NARROWEST_CROP = 3 / 4
"""How much narrower or, inverted, wider than its image a crop may be."""
_SPARE = 2  # so many times what the encoder shrinks images to: shrinking twice is not seen then
_QUICKLY = 1  # the least that PNG compresses; the file is read once


def copies(content: Content, count: int, how: Preprocessing | None, max_pixels: int) -> list[Content]:
    """Makes altered copies.

    Args:
        content: a text or an image file.
        count: how many copies; those with lower numbers are the same whatever it is.
        how: what the encoder does to images; None for texts.
        max_pixels: the most pixels of an image, width times height.

    Returns:
        `count` copies; none of a text of a single word, such as one in a script without spaces.

    Raises:
        InvalidInput: an image cannot be read, or is too large.
    """
    if isinstance(content, str):
        words = content.split()
        seeds = _seeds(content.encode(errors="surrogatepass"), count)
        return [with_words_left_out(words, seed) for seed in seeds] if len(words) > 1 else []
    image = decoding.decode(content, max_pixels)
    side = _SPARE * max(how.resize_shorter_side, how.height, how.width) if how else min(image.size)
    return [_png(_shrunk(cropped(image, seed), side)) for seed in _seeds(content, count)]


def with_words_left_out(words: list[str], seed: random.Random) -> str:
    """A text without some of its words, at least one of them and not all.

    Args:
        words: of the text, at least two.
        seed: decides which.
    """
    kept = [word for word in words if seed.random() >= LEFT_OUT]
    if len(kept) == len(words):
        del kept[seed.randrange(len(words))]
    return " ".join(kept or [seed.choice(words)])


def cropped(image: Image.Image, seed: random.Random) -> Image.Image:
    """A part of an image, mirrored or not.

    Args:
        image: of any size and shape.
        seed: decides which part, as the header of this file says.

    Returns:
        At least 7/10 of the image, by area but for rounding, and 3/4 to 4/3 as wide for its height as the image is.
    """
    scale = seed.uniform(SMALLEST_CROP, 1)
    widest = math.log(min(1 / NARROWEST_CROP, 1 / scale))  # no wider, and no higher, than the image
    aspect = math.exp(seed.uniform(-widest, widest))
    width = max(1, round(image.width * math.sqrt(scale * aspect)))
    height = max(1, round(image.height * math.sqrt(scale / aspect)))
    left, top = seed.randint(0, image.width - width), seed.randint(0, image.height - height)
    part = image.crop((left, top, left + width, top + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if seed.random() < 1 / 2 else part


def _seeds(data: bytes, count: int) -> list[random.Random]:
    digest = hashlib.sha256(data).digest()
    return [random.Random(digest + bytes([number])) for number in range(count)]


def _shrunk(image: Image.Image, shorter_side: int) -> Image.Image:
    share = shorter_side / min(image.size)
    if share >= 1:
        return image
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=_QUICKLY)
    return file.getvalue()
