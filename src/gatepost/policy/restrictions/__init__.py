"""The restrictions by name, one file per family (postconf(5), smtpd_*_restrictions)."""

from gatepost.policy.restrictions import (
    access,
    basic,
    client,
    delegated,
    dnsbl,
    greylist,
    helo,
    login,
    mx_backup,
    pipelining,
    recipient,
    relay,
    sender,
    servers,
    spf,
    tls,
    unverified,
)
from gatepost.policy.restrictions.rows import Rows

_FAMILIES = (
    basic, client, helo, sender, recipient, relay, mx_backup, access, servers, dnsbl, login, delegated, pipelining, tls,
    unverified, spf, greylist,
)  # fmt: skip

ROWS: Rows = {name: row for family in _FAMILIES for name, row in family.ROWS.items()}
