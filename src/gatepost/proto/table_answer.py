"""What a server that has a lookup table answers: a value, None where there is none, or that it cannot say."""

from msgspec import Struct


class Refused(Struct, frozen=True):
    """The server cannot answer; `text`: why, in its words. The connection is as good as before."""

    text: str


TableAnswer = bytes | None | Refused
