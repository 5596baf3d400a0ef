"""The parameters of cleanup(8); field names are parameter names, sizes in octets."""

from gatepost.content.settings import ContentSettings


class CleanupSettings(ContentSettings, frozen=True, kw_only=True):
    """One view for each service that takes mail in: `receive_override_options` and others differ by service."""

    remote_header_rewrite_domain: str
    header_address_token_limit: int
    message_size_limit: int
    enable_original_recipient: bool
    duplicate_filter_limit: int
    empty_address_recipient: str
    always_bcc: str
    cleanup_replace_stray_cr_lf: bool
    smtputf8_enable: bool
    smtputf8_autodetect_classes: str
