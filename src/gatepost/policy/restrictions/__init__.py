"""The restrictions by name, one file per family (postconf(5), smtpd_*_restrictions)."""

from gatepost.policy.restrictions import (
    access,
    basic,
    client,
    delegated,
    dnsbl,
    helo,
    login,
    pipelining,
    recipient,
    relay,
    sender,
    servers,
    tls,
)
from gatepost.policy.restrictions.rows import Rows

ROWS: Rows = {
    name: row
    for family in (
        basic,
        client,
        helo,
        sender,
        recipient,
        relay,
        access,
        servers,
        dnsbl,
        login,
        delegated,
        pipelining,
        tls,
        unverified,
    )
    for name, row in family.ROWS.items()
}
