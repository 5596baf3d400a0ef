"""What the rooms of the filter hand to each other: values, and what a rule's function may ask of the message at hand.

Text is `bytes` here, UTF-8 where a charset was known, for the rules of SpamAssassin are patterns over octets. Offsets, counts and
limits are of octets.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Session(Struct, frozen=True):
    """What the server knows of where a message comes from.

    client_address, client_name: of the client; empty where the message did not come by SMTP. `unknown`: the address has no name.
    helo: what it said in EHLO or HELO.
    login: the user who logged in, empty without.
    sender: the envelope sender in internal form, None where it is not known (a file that is scanned).
    recipients: the same of the recipients.
    spf, spf_helo: results of RFC 7208 for sender and HELO, empty where nobody asked.
    received_at: seconds since 1970.
    """

    client_address: str = ""
    client_name: str = ""
    helo: str = ""
    login: str = ""
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    spf: str = ""
    spf_helo: str = ""
    received_at: float = 0.0


class Ambiguity(enum.Enum):
    """Why two programs may see different parts in one message; the values are for people."""

    TYPES = "several Content-Type headers"
    ENCODINGS = "several Content-Transfer-Encoding headers"
    BOUNDARIES = "several boundaries"
    NUL = "a NUL octet in a MIME header"
    ENCODED = "a transfer encoding of something that has parts"
    LEFT_OUT = "more parts, levels or octets than are looked at"


class Part(Struct, frozen=True):
    """A node of the MIME tree, in the order in which they begin; the first is the message itself.

    path: where it stands in the tree: () is the message, (1, 2) the second part of its first part. The part of an attached message
    is the message in it.
    headers: names as they stand and values with their folds and not decoded, in order; without the colon and the blank after it.
    type: `text/html`, in lower case.
    charset: in lower case, empty where none is named.
    encoding: of the transfer, in lower case.
    name: the file name that it names, decoded, UTF-8; empty without.
    disposition: `attachment`, `inline` or empty.
    raw: the body as it stands.
    content: without the transfer encoding; cut at the limit of the walk.
    composite: it has parts of its own, so that `raw` and `content` are empty.
    ambiguities: of its own headers.
    """

    path: tuple[int, ...]
    headers: tuple[tuple[bytes, bytes], ...]
    type: str
    charset: str = ""
    encoding: str = ""
    name: bytes = b""
    disposition: str = ""
    raw: bytes = b""
    content: bytes = b""
    composite: bool = False
    ambiguities: tuple[Ambiguity, ...] = ()


class Uri(Struct, frozen=True):
    """A URI that a message names, or that mail programs would make one.

    raw: as it stands.
    cleaned: forms of it that rules see, `raw` among them.
    anchors: texts of the links that lead there.
    kinds: where it was found: `a`, `img`, `form`, `parsed` (in text), `unlinked` (text that looks like one), `dkim` and the like.
    hosts: each host of it and its registered domain.
    """

    raw: bytes
    cleaned: tuple[bytes, ...] = ()
    anchors: tuple[bytes, ...] = ()
    kinds: frozenset[str] = frozenset()
    hosts: Mapping[bytes, bytes] = {}


class Text(Struct, frozen=True):
    """The text of a message, as SpamAssassin extracts it.

    body: what `body` rules match: the Subject first, then paragraphs of rendered text.
    raw_body: what `rawbody` rules match: text parts, decoded, HTML as it stands, in chunks.
    visible, invisible: the rendered text that a reader sees, and what HTML hides from her.
    uris: in the order in which they were found.
    html: facts of the rendering of HTML by name (`ratio`, `inside`, `image_area`, `max_size` ...); empty without HTML.
    rendered: the rendered text of each text part alone, by its path.
    """

    body: tuple[bytes, ...] = ()
    raw_body: tuple[bytes, ...] = ()
    visible: tuple[bytes, ...] = ()
    invisible: tuple[bytes, ...] = ()
    uris: tuple[Uri, ...] = ()
    html: Mapping[str, object] = {}
    rendered: Mapping[tuple[int, ...], bytes] = {}


class Relay(Struct, frozen=True):
    """One hop, as a Received line tells of it, or the session with us. Field names are those of X-Spam-Relays-*; `nameless`: who
    tells of it says that the address has no name."""

    ip: str = ""
    rdns: str = ""
    helo: str = ""
    by: str = ""
    ident: str = ""
    envfrom: str = ""
    id: str = ""
    auth: str = ""
    msa: bool = False
    intl: bool = False
    nameless: bool = False


class Relays(Struct, frozen=True):
    """The hops of a message, the latest first: `trusted` and `untrusted` are all of them, `internal` and `external` too.

    unparsed: Received lines that should tell of a hop and could not be read.
    untrusted_line, external_line: which Received line (0: the first) tells of the first such hop; -1 where only the session does,
    None without such a hop.
    """

    trusted: tuple[Relay, ...] = ()
    untrusted: tuple[Relay, ...] = ()
    internal: tuple[Relay, ...] = ()
    external: tuple[Relay, ...] = ()
    unparsed: int = 0
    untrusted_line: int | None = None
    external_line: int | None = None


class HeaderView(Protocol):
    """Headers as rules name them."""

    def get(self, name: str) -> bytes | None:
        """The value of `Name`, `Name:addr`, `Name:raw` ..., or of a pseudo-header (ALL, ToCc, EnvelopeFrom, X-Spam-Relays-*);
        each of several ends in LF. None where there is none."""
        ...

    def all(self, name: str) -> Sequence[bytes]:
        """The raw values of a header, as they stand."""
        ...


class Examined(Protocol):
    """The message at hand, as functions of `eval:` rules see it. Everything is made when it is first asked for, and kept."""

    @property
    def octets(self) -> bytes:
        """The whole message, lines ended by LF."""
        ...

    @property
    def session(self) -> Session: ...

    @property
    def headers(self) -> HeaderView: ...

    @property
    def parts(self) -> tuple[Part, ...]: ...

    @property
    def text(self) -> Text: ...

    @property
    def relays(self) -> Relays: ...

    @property
    def kind(self) -> str:
        """Of the rule whose function is asked: `header`, `body`, `rawbody`, `uri`, `full`."""
        ...

    @property
    def bayes(self) -> float | None:
        """How probable Bayes holds it that the message is spam; None where it says nothing."""
        ...

    def option(self, name: str) -> tuple[str, ...]:
        """The values of a setting of rule files, one an occurrence (`freemail_domains`, `trusted_networks` ...), as they stand."""
        ...

    def search(self, pattern: str, text: bytes) -> bytes | None:
        """What a Perl pattern, as it stands in an argument of a rule (with or without its slashes), matches first in a text, under
        the limits of all rules; None where it does not match."""
        ...

    def note(self, rule: str, matched: bytes) -> None:
        """What made a rule hit, for `gatepost scan`."""
        ...


Eval = Callable[[Examined, Sequence[str]], int]
"""The function of an `eval:` rule: how often it hits (0: not at all), given the arguments that the rule names. What it raises
counts as no hit, and is told of."""


class Hit(Struct, frozen=True):
    """A rule that hits. `count`: how often (tflags multiple). `matched`: what matched first, cut."""

    rule: str
    count: int = 1
    matched: bytes = b""
