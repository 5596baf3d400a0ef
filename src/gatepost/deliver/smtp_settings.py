"""Parameters of the SMTP and LMTP clients (smtp(8), lmtp(8)). The LMTP client has the same ones under names with `lmtp_`."""

from typing import ClassVar

import msgspec
from msgspec import Struct


class SmtpSettings(Struct, frozen=True, kw_only=True):
    """What one smtp(8) service of master.cf works by; field names are parameter names, times are seconds, tables and lists as
    they are written. `lmtp`: whether LMTP is spoken."""

    lmtp: ClassVar[bool] = False

    myhostname: str = "localhost"
    inet_protocols: str = "all"
    disable_dns_lookups: bool = False
    ignore_mx_lookup_error: bool = False
    disable_mime_output_conversion: bool = False

    smtp_helo_name: str = "$myhostname"
    smtp_tcp_port: str = "smtp"
    smtp_bind_address: str = ""
    smtp_bind_address6: str = ""
    smtp_host_lookup: str = "dns"
    smtp_fallback_relay: str = ""
    smtp_address_preference: str = "any"
    smtp_balance_inet_protocols: bool = True
    smtp_randomize_addresses: bool = True
    smtp_mx_address_limit: int = 5
    smtp_mx_session_limit: int = 2
    smtp_defer_if_no_mx_address_found: bool = False
    smtp_skip_5xx_greeting: bool = True
    smtp_skip_quit_response: bool = True
    smtp_always_send_ehlo: bool = True
    smtp_never_send_ehlo: bool = False
    smtp_discard_ehlo_keywords: str = ""
    smtp_quote_rfc821_envelope: bool = True
    smtp_line_length_limit: int = 998
    smtp_send_xforward_command: bool = False
    smtp_send_dummy_mail_auth: bool = False

    smtp_connection_cache_on_demand: bool = True
    smtp_connection_cache_destinations: str = ""
    smtp_connection_cache_time_limit: float = 2
    smtp_connection_reuse_count_limit: int = 0
    smtp_connection_reuse_time_limit: float = 300

    smtp_connect_timeout: float = 30
    smtp_helo_timeout: float = 300
    smtp_starttls_timeout: float = 300
    smtp_xforward_timeout: float = 300
    smtp_mail_timeout: float = 300
    smtp_rcpt_timeout: float = 300
    smtp_data_init_timeout: float = 120
    smtp_data_xfer_timeout: float = 180
    smtp_data_done_timeout: float = 600
    smtp_rset_timeout: float = 20
    smtp_quit_timeout: float = 300

    smtp_use_tls: bool = False
    smtp_enforce_tls: bool = False
    smtp_tls_enforce_peername: bool = True
    smtp_tls_security_level: str = ""
    smtp_tls_wrappermode: bool = False
    smtp_tls_policy_maps: str = ""
    smtp_tls_verify_cert_match: str = "hostname"
    smtp_tls_secure_cert_match: str = "nexthop, dot-nexthop"
    smtp_tls_fingerprint_cert_match: str = ""
    smtp_tls_fingerprint_digest: str = "sha256"
    smtp_tls_CAfile: str = ""
    smtp_tls_CApath: str = ""
    smtp_tls_cert_file: str = ""
    smtp_tls_key_file: str = "$smtp_tls_cert_file"
    smtp_tls_chain_files: str = ""
    smtp_tls_protocols: str = ">=TLSv1"
    smtp_tls_mandatory_protocols: str = ">=TLSv1"
    smtp_tls_ciphers: str = "medium"
    smtp_tls_mandatory_ciphers: str = "medium"
    smtp_tls_exclude_ciphers: str = ""
    smtp_tls_mandatory_exclude_ciphers: str = ""
    smtp_tls_servername: str = ""
    smtp_tls_loglevel: int = 0
    tls_append_default_CA: bool = False

    smtp_sasl_auth_enable: bool = False
    smtp_sasl_password_maps: str = ""
    smtp_sasl_mechanism_filter: str = ""
    smtp_sasl_security_options: str = "noplaintext, noanonymous"
    smtp_sasl_tls_security_options: str = "$smtp_sasl_security_options"
    smtp_sasl_auth_soft_bounce: bool = True
    smtp_sender_dependent_authentication: bool = False


_LMTP_NAMES = {
    "smtp_helo_name": "lmtp_lhlo_name",
    "smtp_helo_timeout": "lmtp_lhlo_timeout",
    "smtp_discard_ehlo_keywords": "lmtp_discard_lhlo_keywords",
}
_SMTP_ONLY = {"smtp_always_send_ehlo", "smtp_never_send_ehlo"}
_LMTP_DEFAULTS: dict[str, object] = {
    "smtp_tcp_port": "24",
    "smtp_skip_quit_response": False,
    "smtp_connect_timeout": 0.0,
    "smtp_tls_secure_cert_match": "nexthop",
}


def lmtp_name(name: str) -> str:
    """The LMTP client's name for a parameter of the SMTP client."""
    return _LMTP_NAMES.get(name) or (f"lmtp_{name[5:]}" if name.startswith("smtp_") else name)


LmtpSettings = msgspec.defstruct(
    "LmtpSettings",
    [
        (lmtp_name(field.name), field.type, _LMTP_DEFAULTS.get(field.name, field.default))
        for field in msgspec.structs.fields(SmtpSettings)
        if field.name not in _SMTP_ONLY
    ],
    frozen=True,
    kw_only=True,
)
"""What one lmtp(8) service works by: the same, under the LMTP client's names. `as_smtp` turns it into what the agent takes."""


class _OverLmtp(SmtpSettings, frozen=True, kw_only=True):
    """The settings of an LMTP client under the SMTP client's names."""

    lmtp: ClassVar[bool] = True


def as_smtp(settings: Struct) -> SmtpSettings:
    """The SMTP client's settings that say what these LMTP settings say."""
    values = {
        field.name: getattr(settings, lmtp_name(field.name))
        for field in msgspec.structs.fields(SmtpSettings)
        if field.name not in _SMTP_ONLY
    }
    return _OverLmtp(**values)
