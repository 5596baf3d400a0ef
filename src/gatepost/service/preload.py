"""Everything that a worker will ever import, imported before it is forked: it shares those pages with its siblings, starts at
once, and needs no file of the installation once its privileges are gone (Python may live where `mail_owner` cannot read)."""

import importlib
import pkgutil

import gatepost

# What our rooms and the libraries that they use import only when first needed.
_LAZY = (
    "aiodns", "asyncio.staggered", "base64", "binascii", "ctypes.util", "difflib", "encodings.ascii", "encodings.idna",
    "encodings.latin_1", "encodings.punycode", "encodings.unicode_escape", "encodings.utf_8", "getopt", "heapq", "lmdb", "pycares",
    "pwd", "socket", "sqlite3", "ssl", "stringprep", "unicodedata", "uvloop",
)  # fmt: skip
_NOT_OURS = ("gatepost.cli",)


def import_all() -> None:
    """Import every room but the commands, and what they import lazily. Raises ImportError."""
    for module in pkgutil.walk_packages(gatepost.__path__, "gatepost."):
        if not module.name.startswith(_NOT_OURS):
            importlib.import_module(module.name)
    for name in _LAZY:
        importlib.import_module(name)
