"""Functions of the plugin ImageInfo: number, sizes and names of the images that come along.

A kind is `gif`, `png`, `jpeg` or `all`; sizes are in pixels, heights come before widths.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.evals.image_size import image_size
from gatepost.filter.evals.once import once
from gatepost.filter.port import Eval, Examined


class Image(Struct, frozen=True):
    """An image of one of these kinds, by what its part says it is. Width and height are 0 where it is none in truth."""

    kind: str
    name: bytes
    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height


_KINDS: Final = {"image/gif": "gif", "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/pjpeg": "jpeg"}


@once
def images(examined: Examined) -> tuple[Image, ...]:
    """Those of the message, in the order in which they stand."""
    return tuple(
        Image(kind, part.name, *image_size(kind, part.content)) for part in examined.parts if (kind := _KINDS.get(part.type))
    )


def _of_kind(examined: Examined, kind: str) -> list[Image]:
    return [image for image in images(examined) if kind.lower() in (image.kind, "all")]


def _within(value: float, arguments: Sequence[str]) -> int:
    """Whether a value is at least the first argument, and at most the second where there is one."""
    return int(value >= float(arguments[0]) and (len(arguments) < 2 or value <= float(arguments[1])))


def image_count(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there are so many images of a kind: at least, at most."""
    return _within(len(_of_kind(examined, arguments[0])), arguments[1:])


def pixel_coverage(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether images of a kind have so many pixels together: at least, at most."""
    return _within(sum(image.area for image in _of_kind(examined, arguments[0])), arguments[1:])


def image_named(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether an image has a name."""
    return int(any(image.name == arguments[0].encode() for image in images(examined)))


def image_name_regex(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a pattern matches the name of an image."""
    return int(any(image.name and examined.search(arguments[0], image.name) is not None for image in images(examined)))


def image_size_exact(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether an image of a kind has a height and a width."""
    kind, height, width = arguments
    return int(any((image.height, image.width) == (int(height), int(width)) for image in _of_kind(examined, kind)))


def image_size_range(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether an image of a kind is at least so high and wide, and at most so high and wide."""
    kind, *limits = arguments
    low_height, low_width, high_height, high_width = (*map(int, limits), *(1 << 32 for _ in range(4 - len(limits))))
    return int(
        any(
            low_height <= image.height <= high_height and low_width <= image.width <= high_width
            for image in _of_kind(examined, kind)
        )
    )


def image_to_text_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether octets of text for a pixel of images of a kind are more than the second argument, and at most the third."""
    kind, low, high = arguments
    area = sum(image.area for image in _of_kind(examined, kind))
    length = sum(map(len, examined.text.raw_body if examined.kind == "rawbody" else examined.text.body))
    return int(bool(area) and float(low) < length / (area or 1) <= float(high))


EVALS: dict[str, Eval] = {
    function.__name__: function
    for function in (
        image_count,
        image_name_regex,
        image_named,
        image_size_exact,
        image_size_range,
        image_to_text_ratio,
        pixel_coverage,
    )
}
