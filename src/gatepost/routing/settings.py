"""The parameters of routing, as one frozen view; field names are parameter names."""

from msgspec import Struct

from gatepost.mail.ascii_text import elements


class RoutingSettings(Struct, frozen=True, kw_only=True):
    """What trivial-rewrite(8), cleanup(8) and smtpd(8) share about addresses. Lists and tables are values as configured."""

    myhostname: str
    mydomain: str
    myorigin: str
    mydestination: str
    relayhost: str
    recipient_delimiter: str
    owner_request_special: bool
    propagate_unmatched_extensions: str
    parent_domain_matches_subdomains: str

    append_at_myorigin: bool
    append_dot_mydomain: bool
    swap_bangpath: bool
    allow_percent_hack: bool
    allow_min_user: bool
    remote_header_rewrite_domain: str

    virtual_alias_domains: str
    virtual_mailbox_domains: str
    relay_domains: str
    default_transport: str
    local_transport: str
    virtual_transport: str
    relay_transport: str
    transport_maps: str
    sender_dependent_default_transport_maps: str
    sender_dependent_relayhost_maps: str
    relocated_maps: str
    relocated_prefix_enable: bool
    resolve_dequoted_address: bool
    resolve_null_domain: bool
    resolve_numeric_domain: bool
    empty_address_recipient: str
    empty_address_relayhost_maps_lookup_key: str
    empty_address_default_transport_maps_lookup_key: str
    helpful_warnings: bool

    canonical_maps: str
    canonical_classes: str
    sender_canonical_maps: str
    sender_canonical_classes: str
    recipient_canonical_maps: str
    recipient_canonical_classes: str
    masquerade_domains: str
    masquerade_classes: str
    masquerade_exceptions: str
    virtual_alias_maps: str
    virtual_alias_recursion_limit: int
    virtual_alias_expansion_limit: int
    virtual_alias_address_length_limit: int
    sender_bcc_maps: str
    recipient_bcc_maps: str

    local_recipient_maps: str
    virtual_mailbox_maps: str
    relay_recipient_maps: str
    show_user_unknown_table_name: bool
    unknown_local_recipient_reject_code: int
    unknown_relay_recipient_reject_code: int
    unknown_virtual_alias_reject_code: int
    unknown_virtual_mailbox_reject_code: int


def words(value: str) -> tuple[str, ...]:
    """The words of a list of keywords, set apart by commas or white space."""
    return tuple(elements(value))
