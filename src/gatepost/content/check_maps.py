"""The tables of the content checks, and which of them judges what (header_checks(5))."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatepost.content.header_names import MIME
from gatepost.lookup.registry import Maps, Tables
from gatepost.mail.mime import Place

KINDS: Final = ("header_checks", "mime_header_checks", "nested_header_checks", "body_checks")


class CheckMaps(Struct, frozen=True):
    """A list of tables for each of `KINDS`, in that order."""

    header: Maps
    mime: Maps
    nested: Maps
    body: Maps

    @property
    def any_header(self) -> bool:
        """Whether headers are looked at, wherever they stand."""
        return not (self.header.empty and self.mime.empty and self.nested.empty)

    @property
    def empty(self) -> bool:
        """Whether nothing is looked at."""
        return self.body.empty and not self.any_header

    def judging(self, place: Place, name: str) -> Maps:
        """The tables for a header that stands there and has that name, in lower case."""
        if place is Place.PART or name in MIME:
            return self.mime
        return self.nested if place is Place.NESTED else self.header


def check_maps(tables: Tables, parameters: Mapping[str, str]) -> CheckMaps:
    """The tables that `parameters` (name and value, one for each of `KINDS`, in that order) ask for."""
    return CheckMaps(*(tables.maps(value, name) for name, value in parameters.items()))
