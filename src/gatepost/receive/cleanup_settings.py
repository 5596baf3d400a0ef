"""The parameters of cleanup(8); field names are parameter names, sizes in octets."""

from msgspec import Struct


class CleanupSettings(Struct, frozen=True, kw_only=True):
    """One view for each service that takes mail in: `receive_override_options` and others differ by service."""

    myhostname: str
    receive_override_options: str
    remote_header_rewrite_domain: str
    always_add_missing_headers: bool
    undisclosed_recipients_header: str
    message_drop_headers: str
    header_from_format: str
    header_size_limit: int
    header_address_token_limit: int
    hopcount_limit: int
    message_size_limit: int
    enable_original_recipient: bool
    duplicate_filter_limit: int
    empty_address_recipient: str
    always_bcc: str
    cleanup_replace_stray_cr_lf: bool
    message_strip_characters: str
    message_reject_characters: str
    detect_8bit_encoding_header: bool
    smtputf8_enable: bool
    smtputf8_autodetect_classes: str

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
