"""The parameters of cleanup compiled for one service: which checks run, which headers go, what is fast."""

from msgspec import Struct

from gatepost.content.header_names import MIME, ROLES, Role
from gatepost.content.settings import ContentSettings
from gatepost.lookup.registry import Maps, Tables
from gatepost.mail.mime import Place
from gatepost.routing.settings import words


class CheckMaps(Struct, frozen=True):
    """The tables of the content checks."""

    header: Maps
    mime: Maps
    nested: Maps
    body: Maps

    @property
    def any_header(self) -> bool:
        """Whether headers are looked at, wherever they stand."""
        return not (self.header.empty and self.mime.empty and self.nested.empty)

    def judging(self, place: Place, name: str) -> Maps:
        """The tables for a header that stands there and has that name, in lower case (header_checks(5))."""
        if place is Place.PART or name in MIME:
            return self.mime
        return self.nested if place is Place.NESTED else self.header


class Rules:
    """What does not change from message to message."""

    def __init__(self, settings: ContentSettings, tables: Tables) -> None:
        self.settings = settings
        overrides = words(settings.receive_override_options)
        self.mapping = "no_address_mappings" not in overrides
        self.checking = "no_header_body_checks" not in overrides
        self.maps = _check_maps(settings, tables)
        self.drop = frozenset(name.rstrip(":").lower() for name in words(settings.message_drop_headers))
        self.special = frozenset(ROLES) | self.drop | _COUNTED
        self.strict_body = settings.strict_8bitmime or settings.strict_8bitmime_body
        self.strict_headers = settings.strict_8bitmime or settings.strict_7bit_headers
        self.strip = _characters(settings.message_strip_characters)
        self.reject = _characters(settings.message_reject_characters)
        checks = self.checking and (self.maps.any_header or not self.maps.body.empty)
        self.walks_strictly = self.strict_body or self.strict_headers or settings.strict_mime_encoding_domain
        self.looks = checks or self.walks_strictly or bool(self.reject)

    def role(self, key: str) -> int:
        """What a header means to cleanup (bits of Role), by its name in lower case."""
        return ROLES.get(key, Role.NONE)

    def completes(self, rewritten: bool) -> bool:
        """Whether missing headers are added to a message, whose headers are rewritten or not."""
        return rewritten or self.settings.always_add_missing_headers

    def message_id(self, queue_id: str) -> str:
        """The Message-Id that a message without one gets."""
        return f"<{queue_id}@{self.settings.myhostname}>"


_COUNTED = frozenset(("received", "message-id", "date", "content-transfer-encoding"))


def _check_maps(settings: ContentSettings, tables: Tables) -> CheckMaps:
    names = ("header_checks", "mime_header_checks", "nested_header_checks", "body_checks")
    return CheckMaps(*(tables.maps(getattr(settings, name), name) for name in names))


def _characters(value: str) -> bytes:
    """A set of octets as message_strip_characters writes it, with escapes of C."""
    return value.encode("latin-1", "replace").decode("unicode_escape").encode("latin-1") if value else b""
