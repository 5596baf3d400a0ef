"""The parameters of smtpd (postconf(5), smtpd(8)); field names are parameter names, times are seconds."""

from msgspec import Struct


class SmtpdSettings(Struct, frozen=True):
    """Settings of one smtpd service. Lists are kept as written."""

    myhostname: str = "localhost"
    mail_name: str = "Postfix"
    smtpd_banner: str = "localhost ESMTP Postfix"
    smtpd_helo_required: bool = False
    smtpd_delay_reject: bool = True
    smtpd_delay_open_until_valid_rcpt: bool = True
    smtpd_timeout: float = 300.0
    smtpd_per_request_deadline: bool = False
    smtpd_min_data_rate: int = 500
    smtpd_soft_error_limit: int = 10
    smtpd_hard_error_limit: int = 20
    smtpd_error_sleep_time: float = 1.0
    smtpd_junk_command_limit: int = 100
    smtpd_recipient_limit: int = 1000
    smtpd_recipient_overshoot_limit: int = 1000
    smtpd_client_connection_count_limit: int = 50
    smtpd_client_connection_rate_limit: int = 0
    smtpd_client_message_rate_limit: int = 0
    smtpd_client_recipient_rate_limit: int = 0
    smtpd_client_new_tls_session_rate_limit: int = 0
    smtpd_discard_ehlo_keywords: str = ""
    soft_bounce: bool = False
    smtpd_reject_footer: str = ""
    smtpd_forbid_bare_newline: str = "normalize"
    smtpd_forbid_bare_newline_reject_code: int = 550
    smtpd_forbid_unauth_pipelining: bool = False
    smtpd_peername_lookup: bool = True
    smtpd_upstream_proxy_protocol: str = ""
    smtpd_upstream_proxy_timeout: float = 5.0
    smtpd_starttls_timeout: float = 300.0
    smtpd_tls_wrappermode: bool = False
    smtpd_tls_received_header: bool = False
    smtpd_tls_loglevel: int = 0
    content_filter: str = ""
    smtpd_sasl_authenticated_header: bool = False
    smtpd_sasl_auth_enable: bool = False
    disable_vrfy_command: bool = False
    strict_rfc821_envelopes: bool = False
    allow_min_user: bool = False
    strict_smtputf8: bool = False
    smtputf8_enable: bool = True
    line_length_limit: int = 2048
    message_size_limit: int = 10240000
    default_verp_delimiters: str = "+="
    verp_delimiter_filter: str = "-=+"
    cleanup_replace_stray_cr_lf: bool = True
    smtpd_binarymime_enable: bool = False
    smtpd_limits_enable: bool = False
    notify_classes: str = "resource, software"
