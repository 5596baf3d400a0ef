"""Parameters of the SMTP and LMTP clients (smtp(8), lmtp(8)). The LMTP client has the same ones under names with `lmtp_`."""

from typing import ClassVar

import msgspec
from msgspec import Struct

from gatepost.config.parameters.lmtp import lmtp_name
from gatepost.net.tls_parameters import TlsSettings


class SmtpSettings(TlsSettings, frozen=True, kw_only=True):
    """What one smtp(8) service of master.cf works by; field names are parameter names, times are seconds, tables and lists as
    they are written. `lmtp`: whether LMTP is spoken."""

    lmtp: ClassVar[bool] = False

    myhostname: str
    inet_protocols: str
    known_tcp_ports: str
    disable_dns_lookups: bool
    ignore_mx_lookup_error: bool
    use_srv_lookup: tuple[str, ...]
    ignore_srv_lookup_error: bool
    allow_srv_lookup_fallback: bool
    disable_mime_output_conversion: bool
    minimal_backoff_time: float
    requiretls_enable: bool

    smtp_address_verify_target: str
    smtp_helo_name: str
    smtp_tcp_port: str
    smtp_bind_address: str
    smtp_bind_address6: str
    smtp_bind_address_enforce: bool
    smtp_host_lookup: str
    smtp_dns_resolver_options: tuple[str, ...]
    smtp_dns_support_level: str
    smtp_fallback_relay: str
    smtp_address_preference: str
    smtp_balance_inet_protocols: bool
    smtp_randomize_addresses: bool
    smtp_mx_address_limit: int
    smtp_mx_session_limit: int
    smtp_defer_if_no_mx_address_found: bool
    smtp_skip_5xx_greeting: bool
    smtp_skip_quit_response: bool
    smtp_always_send_ehlo: bool
    smtp_never_send_ehlo: bool
    smtp_discard_ehlo_keywords: str
    smtp_pix_workarounds: str
    smtp_pix_workaround_threshold_time: float
    smtp_pix_workaround_delay_time: float
    smtp_quote_rfc821_envelope: bool
    smtp_line_length_limit: int
    smtp_send_xforward_command: bool
    smtp_send_dummy_mail_auth: bool

    smtp_connection_cache_on_demand: bool
    smtp_connection_cache_destinations: str
    smtp_connection_cache_time_limit: float
    connection_cache_ttl_limit: float
    smtp_connection_reuse_count_limit: int
    smtp_connection_reuse_time_limit: float

    smtp_connect_timeout: float
    smtp_helo_timeout: float
    smtp_starttls_timeout: float
    smtp_xforward_timeout: float
    smtp_mail_timeout: float
    smtp_rcpt_timeout: float
    smtp_data_init_timeout: float
    smtp_data_xfer_timeout: float
    smtp_data_done_timeout: float
    smtp_rset_timeout: float
    smtp_per_request_deadline: bool
    smtp_min_data_rate: int
    smtp_quit_timeout: float

    smtp_use_tls: bool
    smtp_enforce_tls: bool
    smtp_tls_enforce_peername: bool
    smtp_tls_security_level: str
    smtp_tls_wrappermode: bool
    smtp_tls_verify_cert_match: str
    smtp_tls_secure_cert_match: str
    smtp_tls_fingerprint_cert_match: str
    smtp_tls_fingerprint_digest: str
    smtp_tls_CAfile: str
    smtp_tls_CApath: str
    smtp_tls_cert_file: str
    smtp_tls_key_file: str
    smtp_tls_eccert_file: str
    smtp_tls_eckey_file: str
    smtp_tls_chain_files: str
    smtp_tls_trust_anchor_file: str
    smtp_tls_scert_verifydepth: int
    smtp_tls_protocols: str
    smtp_tls_mandatory_protocols: str
    smtp_tls_ciphers: str
    smtp_tls_mandatory_ciphers: str
    smtp_tls_exclude_ciphers: str
    smtp_tls_mandatory_exclude_ciphers: str
    smtp_tls_servername: str
    smtp_tls_loglevel: int
    smtp_tls_note_starttls_offer: bool
    smtp_tls_dane_insecure_mx_policy: str
    smtp_tls_force_insecure_host_tlsa_lookup: bool
    smtp_tls_enforce_sts_mx_patterns: bool
    smtp_requiretls_policy: str
    smtp_tls_mta_sts: str
    smtp_tls_mta_sts_timeout: float
    tls_dane_digests: str
    dnssec_probe: str
    tls_wildcard_matches_multiple_labels: bool

    send_cyrus_sasl_authzid: bool
    smtp_sasl_auth_cache_name: str
    smtp_sasl_auth_cache_time: int
    smtp_sasl_auth_enable: bool
    smtp_sasl_mechanism_filter: str
    smtp_sasl_password_result_delimiter: str
    smtp_sasl_security_options: str
    smtp_sasl_tls_security_options: str
    smtp_sasl_tls_verified_security_options: str
    smtp_sasl_auth_soft_bounce: bool
    smtp_sender_dependent_authentication: bool


_SAID = {
    "smtp_always_send_ehlo": True,
    "smtp_never_send_ehlo": False,
    "smtp_tls_dane_insecure_mx_policy": "dane",
    "smtp_tls_mta_sts": "no",
    "smtp_tls_mta_sts_timeout": 0,
}
"""What LMTP has no parameters for, and what goes without saying there: LHLO is always sent, and there are no exchangers."""


LmtpSettings = msgspec.defstruct(
    "LmtpSettings",
    [(lmtp_name(field.name), field.type) for field in msgspec.structs.fields(SmtpSettings) if field.name not in _SAID],
    frozen=True,
    kw_only=True,
)
"""What one lmtp(8) service works by: the same, under the LMTP client's names. `as_smtp` turns it into what the agent takes."""


class LmtpOnlySettings(Struct, frozen=True):
    """What the SMTP client has no parameters for."""

    lmtp_assume_final: bool


class _OverLmtp(SmtpSettings, frozen=True, kw_only=True):
    """The settings of an LMTP client under the SMTP client's names."""

    lmtp: ClassVar[bool] = True


def as_smtp(settings: Struct) -> SmtpSettings:
    """The SMTP client's settings that say what these LMTP settings say."""
    names = [name for name in SmtpSettings.__struct_fields__ if name not in _SAID]
    return msgspec.convert({**_SAID, **{name: getattr(settings, lmtp_name(name)) for name in names}}, _OverLmtp)
