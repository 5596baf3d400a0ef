"""The parameters of smtpd (postconf(5), smtpd(8)); field names are parameter names, times are seconds."""

from msgspec import Struct


class SmtpdSettings(Struct, frozen=True):
    """Settings of one smtpd service. Lists are kept as written."""

    myhostname: str
    mail_name: str
    smtpd_banner: str
    smtpd_helo_required: bool
    smtpd_delay_open_until_valid_rcpt: bool
    smtpd_timeout: float
    smtpd_per_request_deadline: bool
    smtpd_min_data_rate: int
    smtpd_soft_error_limit: int
    smtpd_hard_error_limit: int
    smtpd_error_sleep_time: float
    smtpd_junk_command_limit: int
    smtpd_recipient_limit: int
    smtpd_recipient_overshoot_limit: int
    smtpd_client_connection_count_limit: int
    smtpd_client_connection_rate_limit: int
    smtpd_client_message_rate_limit: int
    smtpd_client_recipient_rate_limit: int
    smtpd_client_new_tls_session_rate_limit: int
    smtpd_client_ipv4_prefix_length: int
    smtpd_client_ipv6_prefix_length: int
    smtpd_discard_ehlo_keywords: str
    soft_bounce: bool
    smtpd_expansion_filter: str
    smtpd_reject_footer: str
    smtpd_forbid_bare_newline: str
    smtpd_forbid_bare_newline_reject_code: int
    smtpd_forbid_unauth_pipelining: bool
    smtpd_peername_lookup: bool
    smtpd_client_port_logging: bool
    info_log_address_format: str
    smtpd_upstream_proxy_protocol: str
    smtpd_upstream_proxy_timeout: float
    smtpd_starttls_timeout: float
    smtpd_tls_wrappermode: bool
    smtpd_tls_received_header: bool
    smtpd_hide_client_session: bool
    smtpd_tls_loglevel: int
    content_filter: str
    smtpd_sasl_authenticated_header: bool
    smtpd_sasl_response_limit: int
    smtpd_sasl_service: str
    smtpd_tls_auth_only: bool
    smtpd_client_auth_rate_limit: int
    broken_sasl_auth_clients: bool
    disable_vrfy_command: bool
    strict_rfc821_envelopes: bool
    allow_min_user: bool
    strict_smtputf8: bool
    smtputf8_enable: bool
    requiretls_enable: bool
    line_length_limit: int
    message_size_limit: int
    default_verp_delimiters: str
    verp_delimiter_filter: str
    cleanup_replace_stray_cr_lf: bool
    smtpd_binarymime_enable: bool
    smtpd_limits_enable: bool
    notify_classes: str
