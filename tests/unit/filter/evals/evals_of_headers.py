"""A header section of a stranger's making, shown to every function about headers and hops."""

from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.evals import authentication, freemail, header_eval, relay_eval, vbounce, welcome_list_subject, welcome_lists
from gatepost.filter.headers.section import section
from gatepost.filter.headers.view import View
from gatepost.filter.port import Eval, Session, Text, Uri
from gatepost.filter.relays.relays import relays

ROOMS = (authentication, freemail, header_eval, relay_eval, vbounce, welcome_list_subject, welcome_lists)
EVALS: dict[str, Eval] = {name: function for room in ROOMS for name, function in room.EVALS.items()}
_ARGUMENTS = {
    "check_header_count_range": ("Received", "2", "9"),
    "check_illegal_chars": ("ALL", "0.01", "2"),
    "similar_recipients": ("0.6", "undef"),
    "check_for_shifted_date": ("3", "6"),
    "received_within_months": ("3", "6"),
    "check_freemail_header": ("Reply-To", "a@"),
    "check_freemail_replyto": ("reply",),
    "check_for_from_domain_in_received_headers": ("x.example",),
    "check_from_in_list": ("A",),
    "check_to_in_list": ("A",),
    "check_replyto_in_list": ("A",),
    "check_uri_host_listed": ("A",),
}
_OPTIONS = {
    "freemail_domains": ("a *.b",),
    "enlist_addrlist": ("(A) *@a a*a",),
    "enlist_uri_host": ("(A) a",),
    "welcomelist_from": ("*a*b*",),
    "blocklist_subject": ("a*b*c",),
    "welcomelist_bounce_relays": ("a*b.c",),
    "def_welcomelist_from_rcvd": ("*@a a",),
}


def asked(head: bytes) -> None:
    """Ask every function."""
    found = section(head)
    hops = relays(found, Session(), _OPTIONS)
    one = Message(
        head,
        Text(body=(b"", head), raw_body=(head,), uris=(Uri(b"mailto:" + head, hosts={head: b""}),)),
        options=_OPTIONS,
        relays=hops,
    )
    one.headers = View(found, hops, Session(), _OPTIONS)
    for name, function in EVALS.items():
        function(one, _ARGUMENTS.get(name, ()))
