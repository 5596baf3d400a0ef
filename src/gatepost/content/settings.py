"""The parameters of cleanup(8) that speak of contents; field names are parameter names, sizes in octets."""

from msgspec import Struct


class ContentSettings(Struct, frozen=True, kw_only=True):
    """How headers and bodies are checked, rewritten and completed on their way in."""

    myhostname: str
    receive_override_options: str
    always_add_missing_headers: bool
    undisclosed_recipients_header: str
    message_drop_headers: str
    header_from_format: str
    header_size_limit: int
    hopcount_limit: int
    message_strip_characters: str
    message_reject_characters: str
    detect_8bit_encoding_header: bool

    header_checks: str
    mime_header_checks: str
    nested_header_checks: str
    body_checks: str
    body_checks_size_limit: int
    disable_mime_input_processing: bool
    mime_nesting_limit: int
    mime_boundary_length_limit: int
    strict_7bit_headers: bool
    strict_8bitmime: bool
    strict_8bitmime_body: bool
    strict_mime_encoding_domain: bool
