"""The parameters of SPF; `service/` fills this from the configuration (no defaults here: config/parameters/spf.py has them)."""

from msgspec import Struct


class SpfSettings(Struct, frozen=True, kw_only=True):
    """Field names are parameter names; actions as on the right-hand side of access(5), times in seconds."""

    authserv_id: str
    myhostname: str
    spf_domain_whitelist: str
    spf_domain_whitelist_ptr: str
    spf_fail_action: str
    spf_header_type: tuple[str, ...]
    spf_helo_check: str
    spf_helo_fail_action: str
    spf_helo_neutral_action: str
    spf_helo_softfail_action: str
    spf_helo_whitelist: str
    spf_lookup_time: float
    spf_mail_from_check: bool
    spf_neutral_action: str
    spf_none_action: str
    spf_pass_action: str
    spf_permerror_action: str
    spf_reject_no_mail_only: bool
    spf_reject_not_pass_domains: str
    spf_skip_addresses: str
    spf_softfail_action: str
    spf_temperror_action: str
    spf_void_limit: int
    spf_whitelist: str


ACTIONS = tuple(name for name in SpfSettings.__struct_fields__ if name.endswith("_action"))
"""The parameters that say what becomes of a result."""
