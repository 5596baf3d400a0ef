"""The parameters of cleanup(8); field names are parameter names, sizes in octets."""

from msgspec import Struct


class CleanupSettings(Struct, frozen=True, kw_only=True):
    """One view for each service that takes mail in: `receive_override_options` and others differ by service."""

    myhostname: str
    receive_override_options: str = ""
    remote_header_rewrite_domain: str = ""
    always_add_missing_headers: bool = False
    undisclosed_recipients_header: str = ""
    message_drop_headers: str = "bcc, content-length, resent-bcc, return-path"
    header_from_format: str = "standard"
    header_size_limit: int = 102400
    header_address_token_limit: int = 10240
    hopcount_limit: int = 50
    message_size_limit: int = 10240000
    enable_original_recipient: bool = True
    duplicate_filter_limit: int = 1000
    empty_address_recipient: str = "MAILER-DAEMON"
    always_bcc: str = ""
    cleanup_replace_stray_cr_lf: bool = True
    message_strip_characters: str = ""
    message_reject_characters: str = ""
    detect_8bit_encoding_header: bool = True

    header_checks: str = ""
    mime_header_checks: str = ""
    nested_header_checks: str = ""
    body_checks: str = ""
    body_checks_size_limit: int = 51200
    disable_mime_input_processing: bool = False
    mime_nesting_limit: int = 100
    mime_boundary_length_limit: int = 2048
    strict_7bit_headers: bool = False
    strict_8bitmime: bool = False
    strict_8bitmime_body: bool = False
    strict_mime_encoding_domain: bool = False
