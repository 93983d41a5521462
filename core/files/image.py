"""Images, made fit for models: no larger than they look at, in a form that all take, without a place.

It runs in a process of its own (worker.py), as what reads documents does.
"""

from __future__ import annotations

import io
from typing import cast

from PIL import Image, ImageOps

from core.errors import FileError

MAX_EDGE = 1568
"""Anthropic scales down what is longer (docs.claude.com, "Vision"), and OpenAI most of it."""
MAX_PIXELS = 100_000_000
MAX_BYTES = 3_700_000
"""Anthropic takes 5 MB of base64."""

_TAKEN = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_PLAIN_MODES = frozenset(("1", "L", "LA", "P", "RGB", "RGBA"))  # a JPEG for print is in CMYK
_READ = (*_TAKEN, "BMP", "TIFF", "AVIF", "MPO")
_SEQUENCES = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
_QUALITY = 88


def fit_image(content: bytes) -> tuple[str, bytes, str]:
    """Give an image's media type, its bytes, and a note on what was left out. Raises FileError.

    What fits is left as it is, unless it says where it was taken. Of a moving image the first picture counts.
    """
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(io.BytesIO(content), formats=_READ) as image:
            _check_size(image)
            note = "only the first picture of it was looked at" if _moves(image) else ""
            if _fits(image, content):
                return _TAKEN[image.format or ""], content, note
            return *_redraw(image), note
    except Image.DecompressionBombError as error:
        raise FileError("the image has too many pixels") from error
    except MemoryError:
        raise FileError("the image takes too much memory") from None
    except FileError:
        raise
    except Exception as error:  # the decoders raise whatever broken bytes lead them to
        raise FileError("the image is damaged") from error


def _check_size(image: Image.Image) -> None:
    """Refuse what Pillow only warns of. Raises FileError."""
    if image.width * image.height > MAX_PIXELS:
        raise FileError("the image has too many pixels")


def _fits(image: Image.Image, content: bytes) -> bool:
    is_small = max(image.size) <= MAX_EDGE and len(content) <= MAX_BYTES
    is_taken = image.format in _TAKEN and image.mode in _PLAIN_MODES
    is_plain = is_taken and not _moves(image) and not image.getexif()
    if is_small and is_plain:
        image.load()  # one that is cut off is refused here, not by the model's server
    return is_small and is_plain


def _moves(image: Image.Image) -> bool:
    return getattr(image, "n_frames", 1) > 1 and image.format in _SEQUENCES


def _redraw(image: Image.Image) -> tuple[str, bytes]:
    """Draw it upright and small enough: as PNG where parts are transparent, else as JPEG."""
    image.draft("RGB", (MAX_EDGE, MAX_EDGE))  # a large JPEG is decoded at a fraction of its size
    if image.mode in ("L", "RGB", "RGBA"):  # first of all, for each step below copies all pixels
        image.thumbnail((MAX_EDGE, MAX_EDGE))
    upright = ImageOps.exif_transpose(_spread(image) if image.mode[0] in "IF" else image)
    is_transparent = upright.has_transparency_data
    drawn = upright.convert("RGBA" if is_transparent else "RGB")
    drawn.thumbnail((MAX_EDGE, MAX_EDGE))
    is_drawing = image.format in ("PNG", "BMP", "GIF")
    if is_transparent or is_drawing:
        data = _save(drawn, "PNG", optimize=True)
        if len(data) <= MAX_BYTES:
            return "image/png", data
    return "image/jpeg", _save(drawn.convert("RGB"), "JPEG", quality=_QUALITY)


def _spread(image: Image.Image) -> Image.Image:
    """Bring more shades of grey than 256 into these: Pillow would make the brighter ones white."""
    shades = image.convert("F")
    darkest, lightest = cast("tuple[float, float]", shades.getextrema())
    scale = 255 / (lightest - darkest or 1)
    return shades.point(lambda shade: shade * scale - darkest * scale).convert("L")


def _save(image: Image.Image, form: str, **options: int) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()
