"""Functions whose rules ask the DNS: they hit nothing in the scanner, which cannot ask. What they ask, `names/` knows; the worker
counts their rules."""

from collections.abc import Sequence

from gatepost.filter.port import Eval, Examined


def asked_by_the_worker(examined: Examined, arguments: Sequence[str]) -> int:
    """No hit as yet."""
    return 0


DNS_EVAL = (
    "check_dns_sender",
    "check_rbl",
    "check_rbl_accreditor",
    "check_rbl_envfrom",
    "check_rbl_from_domain",
    "check_rbl_from_host",
    "check_rbl_headers",
    "check_rbl_ns_from",
    "check_rbl_rcvd",
    "check_rbl_sub",
    "check_rbl_txt",
)
URI_LISTS = ("check_uridnsbl",)
HASH_LISTS = (
    "check_hashbl_attachments",
    "check_hashbl_bodyre",
    "check_hashbl_emails",
    "check_hashbl_tag",
    "check_hashbl_uris",
)

EVALS: dict[str, Eval] = dict.fromkeys((*DNS_EVAL, *URI_LISTS, *HASH_LISTS), asked_by_the_worker)
