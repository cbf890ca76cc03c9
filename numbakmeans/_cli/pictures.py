"""Pictures as tables: a row for each pixel, in the order of reading."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from numbakmeans._cli.tables import FileError, Table, as_table

#: Endings that are recognised even where Pillow is not there to say what it reads.
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
RGB = ("red", "green", "blue")
#: Modes of Pillow for one channel with more than 8 bits.
DEEP = ("I", "F")
#: The tag of EXIF data that says how the camera was held: 1 upright, 2 to 8 otherwise.
ORIENTATION = 0x0112
#: Formats that Pillow recognises, but reads only with the help of others.
STUBS = {"BUFR", "GRIB", "HDF5"}
#: Modes that store transparency.
TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")


def endings() -> Sequence[str]:
    """Return the endings of pictures that can be read; those of Pillow if it is installed."""
    try:
        from PIL import Image
    except ImportError:
        return PICTURES
    known = Image.registered_extensions().items()
    return [*PICTURES, *(ending for ending, kind in known if kind in Image.OPEN and kind not in STUBS)]


def read_picture(file: BinaryIO, what: str) -> Table:
    """Read the first frame of a picture, upright as its EXIF data say.

    Pixels that are transparent count less: their opacity is their weight.

    what : names the file in messages
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise FileError(f"{what}: to read pictures, install the package pillow ({error})") from error
    with warnings.catch_warnings():
        # The picture is large because the user has a large one; transparency becomes a weight.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning)
        try:
            image: Any = Image.open(file)
        except UnidentifiedImageError as error:
            raise FileError(f"{what}: not a picture that Pillow can read") from error
        with image:
            notes, deep = [], _bits(image)
            if deep > 8:
                raise FileError(
                    f"{what}: {deep} bits per channel, of which Pillow reads 8 here; save it with 8"
                )
            n_frames = getattr(image, "n_frames", 1)
            if n_frames > 1:
                notes.append(f"the first of {n_frames} frames")
            upright = ImageOps.exif_transpose(image)
            if image.getexif().get(ORIENTATION, 1) in range(2, 9):
                notes.append("turned upright, as its EXIF data say")
            names: tuple[str, ...] = RGB
            weights = None
            is_deep = upright.mode.startswith(DEEP)
            if not is_deep and (upright.mode in TRANSPARENT or "transparency" in upright.info):
                upright = upright.convert("RGBA")
                weights = np.asarray(upright.getchannel("A")).reshape(-1) / 255.0
            if is_deep:
                names, pixels = ("grey",), np.asarray(upright)[..., None]
            else:
                pixels = np.asarray(upright.convert("RGB"))
    height, width = pixels.shape[:2]
    if weights is not None and not weights.any():
        raise FileError(f"{what}: every pixel is transparent")
    if weights is not None and weights.min() == 1.0:
        weights = None
    if weights is not None:
        notes.append("pixels are weighted by their opacity")
    values = as_table(pixels.reshape(-1, len(names)), what)
    return Table(values, names, (height, width), None, weights, None, tuple(notes))


def _bits(image: Any) -> int:
    """Return the bits per channel of a file whose pixels Pillow would cut to 8, else 8."""
    if image.format == "PNG" and not image.mode.startswith(DEEP):
        return max(8, _png_bits(image))
    if image.format == "TIFF" and not image.mode.startswith(DEEP):
        found = image.tag_v2.get(258, (8,))
        return max(8, *(found if isinstance(found, tuple) else (found,)))
    return 8


def _png_bits(image: Any) -> int:
    """Return the bit depth that the header of a PNG states."""
    file = image.fp
    here = file.tell()
    file.seek(24)
    depth = file.read(1)
    file.seek(here)
    return int(depth[0]) if depth else 8
