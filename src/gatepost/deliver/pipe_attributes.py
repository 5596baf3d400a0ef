"""The command-line attributes of a pipe(8) service in master.cf: `flags=`, `user=`, `eol=`, ... and `argv=` with the command."""

import re

from msgspec import Struct

from gatepost.mail.ascii_text import is_number

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
FLAGS = "BDFORXhqu.>"
"""The letters that flags= may hold (pipe(8))."""


class PipeFault(LookupError):
    """A pipe service that cannot work; the text is what Postfix's pipe(8) says before it gives up."""


class PipeAttributes(Struct, frozen=True):
    """Attributes as written; `eol` with its escapes resolved, `size` in octets (0: no limit), `user` a name, `group` a name or
    empty. `ignored`: letters of flags= that mean nothing."""

    argv: tuple[str, ...]
    user: str
    group: str = ""
    flags: frozenset[str] = frozenset()
    eol: bytes = b"\n"
    size: int = 0
    null_sender: str = "MAILER-DAEMON"
    directory: str = ""
    chroot: str = ""
    recipient_delimiter: str | None = None
    ignored: str = ""


def pipe_attributes(arguments: tuple[str, ...]) -> PipeAttributes:
    """The attributes of a service from the arguments of its master.cf entry. Raises PipeFault."""
    found: dict[str, str] = {}
    argv: tuple[str, ...] = ()
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "argv" and equals:
            argv = (value, *arguments[index + 1 :])
            break
        if name not in _NAMES or not equals:
            raise PipeFault(f"unknown attribute name: {argument}")
        found[name] = value
    if not found.get("user"):
        raise PipeFault("missing user= command-line attribute")
    if not argv or not argv[0]:
        raise PipeFault("missing argv= command-line attribute")
    user, _, group = found["user"].partition(":")
    size = found.get("size", "0")
    if not is_number(size):
        raise PipeFault(f"bad size= value: {size}")
    flags = found.get("flags", "")
    return PipeAttributes(
        argv,
        user,
        group,
        frozenset(flags),
        unescaped(found["eol"]).encode("utf-8", "surrogateescape") if "eol" in found else b"\n",
        int(size),
        found.get("null_sender", "MAILER-DAEMON"),
        found.get("directory", ""),
        found.get("chroot", ""),
        found.get("recipient_delimiter"),
        "".join(letter for letter in flags if letter not in FLAGS),
    )


_NAMES = frozenset(("chroot", "directory", "eol", "flags", "null_sender", "recipient_delimiter", "size", "user"))


def working_directory(attributes: PipeAttributes, queue_directory: str) -> str:
    """Where the command runs, as seen after `chroot=`, whose top it is unless `directory=` names another (pipe(8))."""
    return attributes.directory or ("/" if attributes.chroot else queue_directory)


def unescaped(text: str) -> str:
    r"""`text` with `\r`, `\n`, `\012` and their like replaced by what they stand for."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8) & 0xFF) if match[1] else _ESCAPES.get(match[2], match[2]), text)
