"""The one table of parameters: name, kind, default, what it does, and how far it is supported. A file a family.

Parsing, checking, ``postconf -d`` and the reference page of the documentation all come out of these rows. Names, kinds and defaults
are those of Postfix 3.7 (postconf(5)), and of newer ones for what 3.7 does not have (`since`); POSTFIX_DEFAULTS names where ours
differ. Rows are sorted by name within their family.
"""

from collections.abc import Mapping

from gatepost.config.parameters import (
    access,
    acme,
    authentication,
    cleanup,
    commands,
    filter,
    filter_learning,
    filter_names,
    filter_rules,
    filter_virus,
    flush,
    gatepost,
    greylist,
    identity,
    legacy,
    lmtp,
    local,
    milter,
    notices,
    pipe,
    postscreen,
    postscreen_tls,
    processes,
    queue,
    routing,
    sasl,
    smtp,
    smtpd,
    smtpd_tls,
    spf,
    submission,
    tls,
    tlsproxy,
    tlsrpt,
    transport,
    verify,
    virtual,
)
from gatepost.config.parameters.row import Parameter, Support, ValueKind

__all__ = [
    "COMPUTED",
    "LEGACY",
    "PARAMETERS",
    "POSTFIX_DEFAULTS",
    "SERVICES",
    "TRANSPORT_SUFFIXES",
    "Parameter",
    "Support",
    "ValueKind",
]

COMPUTED = frozenset({"mydomain", "myhostname", "mynetworks", "process_id", "process_name"})
"""Defaults that are found out at run time; the table leaves them empty."""

POSTFIX_DEFAULTS: Mapping[str, str] = {"enable_long_queue_ids": "no", "smtpd_forbid_bare_newline": "no"}
"""What Postfix 3.7 has where our default is another one, on purpose."""

SERVICES: Mapping[str, tuple[Parameter, ...]] = {
    "Gatepost": gatepost.ROWS,
    "Identity and network": identity.ROWS,
    "Processes": processes.ROWS,
    "SMTP server": smtpd.ROWS,
    "Access control": access.ROWS,
    "SMTP server TLS": smtpd_tls.ROWS,
    "ACME": acme.ROWS,
    "Cleanup": cleanup.ROWS,
    "Addresses and routing": routing.ROWS,
    "Queue manager": queue.ROWS,
    "Bounces and notices": notices.ROWS,
    "SMTP client": smtp.ROWS,
    "LMTP client": lmtp.ROWS,
    "TLS library": tls.ROWS,
    "TLS reports": tlsrpt.ROWS,
    "Local delivery": local.ROWS,
    "Virtual delivery": virtual.ROWS,
    "Pipe delivery": pipe.ROWS,
    "Flush service": flush.ROWS,
    "Commands": commands.ROWS,
    "Address verification": verify.ROWS,
    "SPF": spf.ROWS,
    "Greylisting": greylist.ROWS,
    "SASL": sasl.ROWS,
    "Submission": submission.ROWS,
    "Authentication": authentication.ROWS,
    "Milter": milter.ROWS,
    "Content filter": tuple(sorted(filter.ROWS + filter_learning.ROWS + filter_names.ROWS + filter_rules.ROWS)),
    "Postscreen": tuple(sorted(postscreen.ROWS + postscreen_tls.ROWS)),
    "TLS proxy": tlsproxy.ROWS,
    "Viruses and attachments": filter_virus.ROWS,
}
"""The families, in the order of the reference page."""

PARAMETERS: Mapping[str, Parameter] = {row.name: row for rows in SERVICES.values() for row in rows}
LEGACY: Mapping[str, Parameter] = {row.name: row for row in legacy.ROWS}
TRANSPORT_SUFFIXES: Mapping[str, Parameter] = {row.name: row for row in transport.ROWS}
