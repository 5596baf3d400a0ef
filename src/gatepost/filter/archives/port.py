"""What is known of the files in a message: values that the scanner makes and the worker judges."""

import enum
from typing import Annotated, Final

from msgspec import Meta, Struct

MOST_NODES: Final = 100_000
"""Files of which a scanner may tell, whatever filter_archive_members is."""


class Node(Struct, frozen=True):
    """A file: a part of the message, or a member of an archive in it.

    names: as the sender calls it (`name` and `filename` of a part; the path in an archive), decoded, UTF-8.
    media_type: as a part declares it, `application/zip`, in lower case; empty of members.
    types: by content, as amavis calls them: (`exe`, `exe-ms`), (`zip`,), (`asc`,); empty where nobody can look into it.
    size: octets, unpacked, as far as that is known.
    parent: index of the archive or attached message that it is in; -1 of the message itself.
    encrypted: nobody can look into it.
    """

    names: tuple[bytes, ...] = ()
    media_type: str = ""
    types: tuple[str, ...] = ()
    size: int = 0
    parent: int = -1
    encrypted: bool = False


class Unchecked(enum.Enum):
    """Why it is not known what all is in a message."""

    ENCRYPTED = "encrypted"
    DEPTH = "nested too deeply"
    MEMBERS = "too many files"
    OCTETS = "too large when unpacked"
    RATIO = "unpacks to far more than it is"
    TIME = "takes too long"
    OVERLAP = "members overlap"
    DAMAGED = "damaged"
    UNKNOWN_FORMAT = "of a format that is not looked into"
    AMBIGUOUS = "can be read in several ways"


class ArchiveFacts(Struct, frozen=True):
    """What the files of a message are.

    nodes: each after what it is in.
    unchecked: why it may hold more than `nodes` tells, each reason once.
    suspect_names: names that lead out of the folder in which they would be unpacked (`../`, `/`, NUL), the first few.
    to_scan: decoded files which clamd does not find in the message by itself.
    """

    nodes: Annotated[tuple[Node, ...], Meta(max_length=MOST_NODES)] = ()
    unchecked: Annotated[tuple[Unchecked, ...], Meta(max_length=100)] = ()
    suspect_names: tuple[bytes, ...] = ()
    to_scan: tuple[bytes, ...] = ()


class Banned(Struct, frozen=True):
    """A file that may not pass. `path`: names and types from the outermost archive on, for people; `key`: what matched;
    `reason`: what the table says."""

    path: str
    key: str
    reason: str


class ArchiveLimits(Struct, frozen=True, kw_only=True):
    """filter_archive_*: how far one message is looked into.

    depth: archives and messages within each other.
    members: files in all.
    octets: unpacked, in all.
    ratio: unpacked octets for one of the message, beyond the first 100,000.
    seconds: of processor time.
    """

    depth: int = 14
    members: int = 1500
    octets: int = 100 * 1024 * 1024
    ratio: int = 500
    seconds: float = 10.0
