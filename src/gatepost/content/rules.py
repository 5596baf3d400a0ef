"""The parameters of cleanup compiled for one service: which checks run, which headers go, what is fast."""

from gatepost.content.body import BodyRules
from gatepost.content.check_maps import KINDS, check_maps
from gatepost.content.header_names import ROLES, Role
from gatepost.content.settings import ContentSettings
from gatepost.lookup.registry import Tables
from gatepost.routing.settings import words


class Rules:
    """What does not change from message to message."""

    def __init__(self, settings: ContentSettings, tables: Tables) -> None:
        self.settings = settings
        overrides = words(settings.receive_override_options)
        self.mapping = "no_address_mappings" not in overrides
        self.checking = "no_header_body_checks" not in overrides
        self.maps = check_maps(tables, {name: getattr(settings, name) for name in KINDS})
        self.drop = frozenset(name.rstrip(":").lower() for name in words(settings.message_drop_headers))
        self.special = frozenset(ROLES) | self.drop | _COUNTED
        self.strip = _characters(settings.message_strip_characters)
        self.reject = _characters(settings.message_reject_characters)
        self.marks_requiretls = settings.requiretls_enable and settings.requiretls_esmtp_header
        self.converts = settings.force_mime_input_conversion and not settings.disable_mime_input_processing
        self.unended = settings.non_empty_end_of_header_action
        strict_body = settings.strict_8bitmime or settings.strict_8bitmime_body
        strict_headers = settings.strict_8bitmime or settings.strict_7bit_headers
        self.walks_strictly = strict_body or strict_headers or settings.strict_mime_encoding_domain
        self.looks = (self.checking and not self.maps.empty) or self.walks_strictly or bool(self.reject)
        self.body = BodyRules(
            settings.limits,
            mime=not settings.disable_mime_input_processing,
            checked=settings.body_checks_size_limit,
            strict_body=strict_body,
            strict_headers=strict_headers,
            strict_domain=settings.strict_mime_encoding_domain,
            strict_nesting=self.looks,
        )

    def role(self, key: str) -> int:
        """What a header means to cleanup (bits of Role), by its name in lower case."""
        return ROLES.get(key, Role.NONE)

    def completes(self, rewritten: bool) -> bool:
        """Whether missing headers are added to a message, whose headers are rewritten or not."""
        return rewritten or self.settings.always_add_missing_headers

    def message_id(self, queue_id: str) -> str:
        """The Message-Id that a message without one gets."""
        return f"<{queue_id}@{self.settings.myhostname}>"


_COUNTED = frozenset(("received", "message-id", "date", "content-transfer-encoding", "tls-required", "require-tls-esmtp"))


def _characters(value: str) -> bytes:
    """A set of octets as message_strip_characters writes it, with escapes of C."""
    return value.encode("latin-1", "replace").decode("unicode_escape").encode("latin-1") if value else b""
