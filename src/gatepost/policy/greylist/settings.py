"""The parameters of greylisting; `service/` fills this from the configuration (no defaults here: config/parameters/greylist.py)."""

from msgspec import Struct


class GreylistSettings(Struct, frozen=True, kw_only=True):
    """Field names are parameter names; actions as on the right-hand side of access(5), times in seconds."""

    greylist_action: str
    greylist_auto_whitelist_clients: int
    greylist_default_action: str
    greylist_delay: float
    greylist_exim: bool
    greylist_header: str
    greylist_hostname: str
    greylist_identity: tuple[str, ...]
    greylist_identity_ipv4cidr: int
    greylist_identity_ipv6cidr: int
    greylist_ipv4cidr: int
    greylist_ipv6cidr: int
    greylist_lookup_by_host: bool
    greylist_max_age: float
    greylist_privacy: bool
    greylist_report_time: float
    greylist_retry_window: float
    greylist_text: str
    greylist_whitelist_clients: tuple[str, ...]
    greylist_whitelist_recipients: tuple[str, ...]


ACTIONS = ("greylist_action", "greylist_default_action")
"""The parameters that are actions of access(5)."""
