"""The parameters of cleanup(8) that speak of contents; field names are parameter names, sizes in octets."""

from msgspec import Struct

from gatepost.mail.mime import Limits


class MimeSettings(Struct, frozen=True, kw_only=True):
    """How much of a MIME structure is followed, on the way in and out."""

    header_size_limit: int
    mime_nesting_limit: int
    mime_boundary_length_limit: int

    @property
    def limits(self) -> Limits:
        """The same for the walk of `mail/mime.py`."""
        return Limits(self.header_size_limit, self.mime_boundary_length_limit, self.mime_nesting_limit)


class ContentSettings(MimeSettings, frozen=True, kw_only=True):
    """How headers and bodies are checked, rewritten and completed on their way in."""

    myhostname: str
    receive_override_options: str
    always_add_missing_headers: bool
    undisclosed_recipients_header: str
    message_drop_headers: str
    header_from_format: str
    full_name_encoding_charset: str
    hopcount_limit: int
    tls_required_enable: bool
    requiretls_enable: bool
    requiretls_esmtp_header: bool
    info_log_address_format: str
    message_strip_characters: str
    message_reject_characters: str
    detect_8bit_encoding_header: bool
    force_mime_input_conversion: bool
    non_empty_end_of_header_action: str

    header_checks: str
    mime_header_checks: str
    nested_header_checks: str
    body_checks: str
    body_checks_size_limit: int
    disable_mime_input_processing: bool
    strict_7bit_headers: bool
    strict_8bitmime: bool
    strict_8bitmime_body: bool
    strict_mime_encoding_domain: bool
