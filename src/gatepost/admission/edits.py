"""What a gate may want changed in a message: each edit is a value, which `draft.Draft` carries out."""

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from gatepost.mail.envelope import Recipient
from gatepost.mail.outcome import Outcome


class AddHeader(Struct, frozen=True):
    """A header at the end of the section. `value`: octets after the colon; lines may end in LF or CRLF, and go on with a blank.
    `verbatim`: no blank is put before it where it begins with none."""

    name: bytes
    value: bytes
    verbatim: bool = False


class InsertHeader(Struct, frozen=True):
    """A header before the one at `position`, counted from 0; at the end where there are no more than that."""

    position: int
    name: bytes
    value: bytes
    verbatim: bool = False


class ChangeHeader(Struct, frozen=True):
    """Another value for the header of that name that is the `number`th of it, from 1; where there is none it is added."""

    name: bytes
    number: int
    value: bytes
    verbatim: bool = False


class DeleteHeader(Struct, frozen=True):
    """The header of that name that is the `number`th of it, from 1, goes; where there is none nothing does."""

    name: bytes
    number: int


class DropHeaders(Struct, frozen=True):
    """All headers whose names, in lower case, are one of `names` or begin with one of `beginnings` go."""

    names: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()


class PrefixHeader(Struct, frozen=True):
    """`text` and a blank go before the value of each header of that name, unless they are there; where there is no such header it
    is added with the text alone."""

    name: bytes
    text: bytes


class ReplaceBody(Struct, frozen=True):
    """Another body. `chunks`: gives its octets in wire form (lines end in CRLF), cut anywhere."""

    chunks: Callable[[], Iterator[bytes]]


class AddRecipient(Struct, frozen=True):
    """One more recipient, which goes through the tables as any other."""

    recipient: Recipient


class DeleteRecipient(Struct, frozen=True):
    """Whoever gets the message as `address`, or because of it, does not get it. Internal form."""

    address: str


class EndRecipients(Struct, frozen=True):
    """Whoever gets the message as one of these addresses (internal form) does not get it, which the ledger tells with how it
    ended."""

    outcomes: Mapping[str, Outcome]


class ChangeSender(Struct, frozen=True):
    """Another envelope sender, in internal form. `ret`, `envid`: as in Envelope, where they change, too."""

    address: str
    ret: str = ""
    envid: str = ""


Edit = (
    AddHeader | InsertHeader | ChangeHeader | DeleteHeader | DropHeaders | PrefixHeader | ReplaceBody
    | AddRecipient | DeleteRecipient | EndRecipients | ChangeSender
)  # fmt: skip
