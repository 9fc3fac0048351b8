"""Decode an image file into the uint8 array that a set.toml asks for.

Pillow is imported only here.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeq.data.set_toml import SetInput
from edgeq.errors import BadData
from edgeq.io.run_files import note_read
from edgeq.numerics.arrays import U8

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")
#: what Pillow may decode, whatever the suffix says: it has formats that run other programs (EPS)
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
#: a larger image, as stored or after resize, is refused as a possible decompression bomb
MAX_PIXELS = 64_000_000
#: modes with up to 8 bits per channel; others (16 bits, float) would be clipped silently
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def read_image(path: Path, how: SetInput) -> U8:
    """Decode, resize and crop an image file.

    Returns uint8 [C, H, W] or [H, W, C] by `how.layout`, with C = 1 for gray; values are not scaled
    yet. Transparency is dropped and an EXIF rotation is not applied. Raises BadData.
    """
    image = _decode(path, "L" if how.channels == "gray" else "RGB")
    if how.resize is not None:
        width, height = _target_size(image.size, how.resize)
        if width * height > MAX_PIXELS:
            what = f"The image of {image.width}x{image.height} pixels would have {width}x{height} after resize; the limit is {MAX_PIXELS}."
            raise BadData(what, str(path), "Correct `resize` in set.toml, or leave the file out.")
        image = image.resize((width, height), _resampling(how.filter))
    pixels = np.asarray(image, np.uint8)
    if how.crop is not None:
        pixels = _crop(pixels, how.crop, path)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if how.channels == "BGR":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if how.layout == "NCHW" else pixels)


def _decode(path: Path, mode: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    note_read(path)
    fix = "Open it in an image viewer, or leave the file out."
    try:
        # silence Pillow, which warns about large images before they are refused here
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadData(
                    f"The image has {image.width}x{image.height} pixels; the limit is {MAX_PIXELS}.", str(path), "Scale it down first."
                )
            if image.mode not in _MODES:
                what = f"The image has mode {image.mode}, not 8 bits per channel."
                raise BadData(what, str(path), "Convert it to 8 bits, or store the values as .npy.")
            return image.convert(mode)
    except UnidentifiedImageError:
        raise BadData("The image cannot be decoded: no known format.", str(path), fix) from None
    # Pillow's decoders raise many kinds on damaged files: OSError (cut off), SyntaxError (PNG),
    # ValueError, struct.error ...
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        ArithmeticError,
        LookupError,
        RuntimeError,
        TypeError,
        AttributeError,
        struct.error,
        Image.DecompressionBombError,
    ) as problem:
        raise BadData(f"The image cannot be decoded: {problem}", str(path), fix) from None


def _resampling(name: str) -> int:
    from PIL.Image import Resampling

    return int(Resampling[name.upper()])


def _target_size(size: tuple[int, int], resize: int | tuple[int, int]) -> tuple[int, int]:
    """(width, height) as Pillow wants it.

    One number is the length of the shorter side; the longer side then keeps the aspect ratio,
    rounded half up.
    """
    if isinstance(resize, tuple):
        return resize[1], resize[0]
    width, height = size
    shorter = min(width, height)
    return max(1, (width * resize * 2 + shorter) // (2 * shorter)), max(1, (height * resize * 2 + shorter) // (2 * shorter))


def _crop(pixels: U8, crop: tuple[int, int], path: Path) -> U8:
    """The middle of the image; an odd remainder is cut off at the bottom and at the right."""
    top, left = ((have - want) // 2 for have, want in zip(pixels.shape[:2], crop, strict=True))
    if top < 0 or left < 0:
        what = f"The image is {list(pixels.shape[:2])} (height, width) after resize, smaller than crop {list(crop)}."
        raise BadData(what, str(path), "Set `resize` in set.toml to at least the crop.")
    return pixels[top : top + crop[0], left : left + crop[1]]
