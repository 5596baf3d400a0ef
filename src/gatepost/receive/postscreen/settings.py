"""The parameters of postscreen (postconf(5), postscreen(8)); field names are parameter names, times are seconds."""

import enum

from msgspec import Struct


class Action(enum.StrEnum):
    """What is done with a client that fails a test."""

    IGNORE = "ignore"
    ENFORCE = "enforce"
    DROP = "drop"


class PostscreenSettings(Struct, frozen=True):
    """Settings of one postscreen service. Lists are kept as written."""

    disable_vrfy_command: bool
    myhostname: str
    line_length_limit: int
    message_size_limit: int
    smtputf8_enable: bool
    respectful_logging: bool
    smtpd_banner: str
    smtpd_service_name: str
    postscreen_access_list: str
    postscreen_allowlist_interfaces: str
    postscreen_bare_newline_action: Action
    postscreen_bare_newline_enable: bool
    postscreen_bare_newline_ttl: float
    postscreen_cache_retention_time: float
    postscreen_client_connection_count_limit: int
    postscreen_command_count_limit: int
    postscreen_command_filter: str
    postscreen_command_time_limit: float
    postscreen_denylist_action: Action
    postscreen_disable_vrfy_command: bool
    postscreen_discard_ehlo_keyword_address_maps: str
    postscreen_discard_ehlo_keywords: str
    postscreen_dnsbl_action: Action
    postscreen_dnsbl_allowlist_threshold: int
    postscreen_dnsbl_max_ttl: float
    postscreen_dnsbl_min_ttl: float
    postscreen_dnsbl_reply_map: str
    postscreen_dnsbl_sites: str
    postscreen_dnsbl_threshold: int
    postscreen_dnsbl_timeout: float
    postscreen_expansion_filter: str
    postscreen_forbidden_commands: str
    postscreen_greet_action: Action
    postscreen_greet_banner: str
    postscreen_greet_ttl: float
    postscreen_greet_wait: float
    postscreen_helo_required: bool
    postscreen_non_smtp_command_action: Action
    postscreen_non_smtp_command_enable: bool
    postscreen_non_smtp_command_ttl: float
    postscreen_pipelining_action: Action
    postscreen_pipelining_enable: bool
    postscreen_pipelining_ttl: float
    postscreen_pre_queue_limit: int
    postscreen_reject_footer: str
    postscreen_reject_footer_maps: str
    postscreen_starttls_timeout: float
    postscreen_tls_loglevel: int
    postscreen_upstream_proxy_protocol: str
    postscreen_upstream_proxy_timeout: float
