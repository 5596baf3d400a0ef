"""What a file is by its content, in the words of amavis (its map of file(1)'s descriptions to short types), and its format.

The first octets tell; the end does of a zip behind something else, for which programs look there.
"""

import re
from typing import Final

from gatepost.filter.archives.formats import compressed, office, old_dos, plain, rar, seven_zip, tar, uuencoded, zip_archive
from gatepost.filter.archives.formats.member import Format

HEAD: Final = 36864
"""Octets of a file that are looked at; an ISO 9660 image says what it is at 32,769."""

_TAIL: Final = 65536 + 22

_MARKS: Final[tuple[tuple[int, bytes, tuple[str, ...]], ...]] = (
    (0, b"PK\3\4", ("zip",)), (0, b"PK\5\6", ("zip",)), (0, b"PK\7\x08PK", ("zip",)), (0, b"PK00PK\3\4", ("zip",)),
    (0, b"7z\xbc\xaf\x27\x1c", ("7z",)), (0, b"Rar!\x1a\7", ("rar",)), (0, b"MSCF\0\0\0\0", ("cab",)),
    (0, b"ISc(", ("installshield",)), (0, b"\x60\xea", ("arj",)), (0, b"\x1f\x8b", ("gz",)), (0, b"\x1f\x9d", ("Z",)),
    (0, b"\x1f\xa0", ("Z",)), (0, b"\x1f\x9f", ("F",)), (0, b"BZh", ("bz2",)), (0, b"BZ0", ("bz",)), (0, b"\xfd7zXZ\0", ("xz",)),
    (0, b"\x89LZO\0\r\n\x1a\n", ("lzo",)), (0, b"\x04\x22\x4d\x18", ("lz4",)), (0, b"\x28\xb5\x2f\xfd", ("zst",)),
    (0, b"LRZI", ("lrz",)), (0, b"070701", ("cpio",)), (0, b"070702", ("cpio",)), (0, b"070707", ("cpio",)),
    (0, b"\xc7\x71", ("cpio",)), (0, b"\x71\xc7", ("cpio",)), (0, b"!<arch>\ndebian-binary", ("deb",)), (0, b"!<arch>\n", ("a",)),
    (0, b"\xed\xab\xee\xdb", ("rpm",)), (7, b"**ACE**", ("ace",)), (20, b"\xdc\xa7\xc4\xfd", ("zoo",)), (0, b"SIT!", ("sit",)),
    (0, b"StuffIt ", ("sit",)), (0, b"\x78\x9f\x3e\x22", ("tnef",)), (0x8001, b"CD001", ("iso",)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ("doc", "cdf-ms")), (0, b"ITSF", ("chm",)), (0, b"xar!", ("xar",)),
    (0, b"\x7fELF", ("exe", "exe-unix")), (0, b"\xca\xfe\xba\xbe", ("java",)), (0, b"\xfe\xed\xfa", ("exe", "exe-unix")),
    (0, b"\xce\xfa\xed\xfe", ("exe", "exe-unix")), (0, b"\xcf\xfa\xed\xfe", ("exe", "exe-unix")),
    (0, b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F", ("lnk",)), (0, b"vhdxfile", ("vhd",)), (0, b"conectix", ("vhd",)),
    (0, b"\xd7\xcd\xc6\x9a", ("wmf",)), (0, b"\1\0\x09\0\0\3", ("wmf",)), (40, b" EMF", ("emf",)),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", ("one",)), (0, b"MSWIM\0\0\0", ("wim",)), (0, b"SZDD\x88\xf0\x27\x33", ("szdd",)),
    (0, b"\xff\xd8\xff", ("image", "jpg")), (0, b"GIF8", ("image", "gif")), (0, b"\x89PNG\r\n\x1a\n", ("image", "png")),
    (0, b"II*\0", ("image", "tif")), (0, b"MM\0*", ("image", "tif")), (0, b"\0\0\1\0", ("image", "ico")),
    (8, b"WEBP", ("image", "webp")), (8, b"AVI ", ("movie", "avi")), (8, b"ACON", ("movie", "ani")), (8, b"WAVE", ("audio", "wav")),
    (0, b"ID3", ("audio", "mpa", "mp3")), (0, b"fLaC", ("audio", "flac")), (0, b"OggS", ("audio", "ogg")),
    (4, b"ftyp", ("movie", "mp4")), (0, b"\0\0\1\xba", ("movie", "mpg")), (0, b"\0\0\1\xb3", ("movie", "mpv")),
    (0, b"\x1a\x45\xdf\xa3", ("movie", "mkv")), (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ("movie", "wmv")),
    (0, b"FWS", ("swf",)), (0, b"CWS", ("swf",)), (0, b"ZWS", ("swf",)), (0, b"%!PS", ("ps",)), (0, b"\xf7\2", ("dvi",)),
    (0, b"{\\rtf", ("rtf",)), (0, b"-----BEGIN PGP MESSAGE-----", ("pgp", "pgp.enc")), (0, b"-----BEGIN PGP", ("pgp", "pgp.asc")),
    (0, b"(This file must be converted with BinHex", ("hqx",)), (0, b"#!", ("txt",)),
)  # fmt: skip
"""Where a mark stands, the mark, and the types; the first that fits."""

_PDF: Final = re.compile(rb"%PDF-[12]\.")
_XML: Final = re.compile(rb"\s*<\?xml[ \t]")
_SVG: Final = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML: Final = re.compile(rb"<(?:!doctype\s+html|html|head|title|script|body|iframe|hta:application)\b", re.IGNORECASE)
_URL: Final = re.compile(rb"\[InternetShortcut\]", re.IGNORECASE)
_BITMAP: Final = re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL)
_LHA: Final = re.compile(rb".{2}-l[hz][0-9sdx]-", re.DOTALL)
_BINARY: Final = re.compile(rb"[\0-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_DLL: Final = 0x2000
_LZMA_HEADER: Final = 13
_UNKNOWN_SIZE: Final = b"\xff" * 8

FORMATS: Final[dict[str, Format]] = {
    "zip": zip_archive.members, "7z": seven_zip.members, "rar": rar.members, "cab": old_dos.cab_members, "arj": old_dos.arj_members,
    "lha": old_dos.lha_members, "tar": tar.members, "cpio": plain.cpio_members, "a": plain.ar_members, "deb": plain.ar_members,
    "iso": plain.iso_members, "gz": compressed.gz_members, "bz2": compressed.bz2_members, "xz": compressed.xz_members,
    "lzma": compressed.lzma_members, "doc": office.ole2_members, "tnef": office.tnef_members, "uue": uuencoded.members,
}  # fmt: skip

CLOSED: Final = frozenset(
    ("Z", "F", "bz", "lzo", "lz4", "zst", "lrz", "rpm", "ace", "zoo", "sit", "installshield", "xar", "vhd", "wim", "arc", "hqx")
)
"""Types that hold files and are not looked into."""


def types(octets: bytes) -> tuple[str, ...]:
    """The types of a file, by its first HEAD octets or all of it."""
    if not octets:
        return ("empty",)
    if octets[:2] in (b"MZ", b"ZM"):
        return _windows(octets)
    for at, mark, found in _MARKS:
        if octets.startswith(mark, at):
            return found
    if tar.is_header(octets) or octets.startswith(b"ustar", 257):
        return ("tar",)
    if _LHA.match(octets):
        return ("lha",)
    if _is_lzma(octets):
        return ("lzma",)
    if _PDF.search(octets, 0, 1024):
        return ("pdf",)
    if _BITMAP.match(octets):
        return ("image", "bmp")
    return _text(octets[:4096])


def with_end(found: tuple[str, ...], octets: bytes) -> tuple[str, ...]:
    """The types of a whole file, whose end may make it an archive besides."""
    if not FORMATS.keys() & set(found) and b"PK\5\6" in octets[-_TAIL:]:
        return (*found, "zip")
    if "exe-ms" in found and b"Rar!\x1a\7" in octets:
        return (*found, "rar")
    if found[-1:] in (("asc",), ("txt",)) and uuencoded.has_files(octets):
        return (*found, "uue")
    return found


def _windows(octets: bytes) -> tuple[str, ...]:
    """A program for Windows or MS-DOS, or a library (PE format, Characteristics)."""
    at = int.from_bytes(octets[60:64], "little")
    library = octets[at : at + 4] == b"PE\0\0" and int.from_bytes(octets[at + 22 : at + 24], "little") & _DLL
    return ("exe", "dll") if library else ("exe", "exe-ms")


def _is_lzma(octets: bytes) -> bool:
    """The older format has no mark: properties, the size of the dictionary (a power of two), that of the file or none."""
    dictionary = int.from_bytes(octets[1:5], "little")
    plausible = len(octets) > _LZMA_HEADER and octets[0] == 0x5D and dictionary.bit_count() in (1, 2) and dictionary >= 4096
    return plausible and (octets[5:13] == _UNKNOWN_SIZE or octets[10:13] == b"\0\0\0") and not octets[13]


def _text(octets: bytes) -> tuple[str, ...]:
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        octets = octets.decode("utf-16", "ignore").encode()
    elif _BINARY.search(octets):
        return ("dat",)
    if _XML.match(octets):
        return ("image", "svg") if _SVG.search(octets) else ("xml",)
    if _HTML.search(octets):
        return ("html",)
    if _URL.search(octets):
        return ("url",)
    return ("asc",) if octets.isascii() else ("txt",)
