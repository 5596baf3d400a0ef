"""How large an image says it is: GIF, PNG and JPEG by their first octets (GIF89a §18, PNG §11.2.2, ITU T.81 §B.2.2)."""

import struct
from typing import Final

_SEGMENTS: Final = 1000
"""Segments of a JPEG file that are passed over."""
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers that no segment follows."""


def image_size(kind: str, octets: bytes) -> tuple[int, int]:
    """Width and height in pixels; 0 where it is no image of a kind (`gif`, `png`, `jpeg`)."""
    if kind == "gif" and octets.startswith((b"GIF87a", b"GIF89a")) and len(octets) >= 10:
        width, height = struct.unpack_from("<HH", octets, 6)
    elif kind == "png" and octets.startswith(b"\x89PNG\r\n\x1a\n") and octets[12:16] == b"IHDR" and len(octets) >= 24:
        width, height = struct.unpack_from(">II", octets, 16)
    elif kind == "jpeg" and octets.startswith(b"\xff\xd8"):
        width, height = _jpeg(octets)
    else:
        return 0, 0
    return width, height


def _jpeg(octets: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(_SEGMENTS):
        if at + 9 > len(octets) or octets[at] != 0xFF:
            break
        marker = octets[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", octets, at + 5)
            return width, height
        at += 1 if marker == 0xFF else 2 if marker in _BARE else 2 + struct.unpack_from(">H", octets, at + 2)[0]
    return 0, 0
