"""The parameters that policy obeys; `service/` fills this from the configuration (no defaults here: config/parameters has them)."""

from msgspec import Struct


class PolicySettings(Struct, frozen=True, kw_only=True):
    """Field names are parameter names (postconf(5)); restriction lists as written, times in seconds, codes as numbers."""

    smtpd_client_restrictions: str
    smtpd_helo_restrictions: str
    smtpd_sender_restrictions: str
    smtpd_relay_restrictions: str
    smtpd_recipient_restrictions: str
    smtpd_data_restrictions: str
    smtpd_end_of_data_restrictions: str
    smtpd_etrn_restrictions: str

    smtpd_delay_reject: bool
    smtpd_relay_before_recipient_restrictions: bool
    smtpd_reject_unlisted_recipient: bool
    smtpd_reject_unlisted_sender: bool
    soft_bounce: bool
    receive_override_options: str
    smtpd_proxy_filter: str

    reject_code: int
    defer_code: int
    access_map_reject_code: int
    access_map_defer_code: int
    invalid_hostname_reject_code: int
    non_fqdn_reject_code: int
    unknown_client_reject_code: int
    unknown_hostname_reject_code: int
    unknown_address_reject_code: int
    nullmx_reject_code: int
    relay_domains_reject_code: int
    maps_rbl_reject_code: int
    multi_recipient_bounce_reject_code: int
    plaintext_reject_code: int

    unknown_address_tempfail_action: str
    unknown_helo_hostname_tempfail_action: str

    unverified_sender_reject_code: int
    unverified_sender_defer_code: int
    unverified_sender_reject_reason: str
    unverified_sender_tempfail_action: str
    unverified_recipient_reject_code: int
    unverified_recipient_defer_code: int
    unverified_recipient_reject_reason: str
    unverified_recipient_tempfail_action: str

    allow_untrusted_routing: bool
    recipient_delimiter: str
    smtpd_null_access_lookup_key: str
    smtpd_sasl_auth_enable: bool
    smtpd_sender_login_maps: str
    relay_clientcerts: str
    rbl_reply_maps: str
    default_rbl_reply: str
    smtpd_expansion_filter: str
    maps_rbl_domains: str
    permit_mx_backup_networks: str
    queue_directory: str
    known_tcp_ports: str
    helper_connection_limit: int
    helper_failure_limit: int
    helper_probe_interval: int

    smtpd_policy_service_default_action: str
    smtpd_policy_service_policy_context: str
    smtpd_policy_service_request_limit: int
    smtpd_policy_service_retry_delay: int
    smtpd_policy_service_timeout: int
    smtpd_policy_service_try_limit: int
    smtpd_policy_service_max_idle: int
    smtpd_policy_service_max_ttl: int
