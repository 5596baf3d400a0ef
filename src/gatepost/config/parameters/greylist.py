"""Parameters of greylisting: check_greylist and the service greylist. Which option of postgrey(8) each is: docs/greylisting.md."""

from gatepost.config.parameters.row import BOOLEAN, DONE, FILE, INTEGER, STRING, TIME, WORDS, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("greylist_action", STRING, "DEFER_IF_PERMIT",
      "What is done with an attempt that has to come again: an action of access(5), before greylist_text.", DONE,
      since="gatepost"),
    P("greylist_auto_whitelist_clients", INTEGER, "5",
      "After how many successes, one an hour at most, a client is not greylisted any more; 0: never.", DONE,
      since="gatepost", minimum=0),
    P("greylist_default_action", STRING, "DEFER_IF_PERMIT 4.3.0 Greylisting is unavailable, please try again later",
      "What is done where the state store cannot answer: an action of access(5), `dunno` for none.", DONE, since="gatepost"),
    P("greylist_delay", TIME, "300s", "How long after its first attempt a triplet is let in.", DONE, since="gatepost",
      minimum=0),
    P("greylist_exim", BOOLEAN, "no", "Close a connection of the service greylist after one answer, as Exim wants it.", DONE,
      since="gatepost"),
    P("greylist_header", STRING, "X-Greylist: delayed %t seconds by gatepost-%v at %h; %d",
      "The header of a message that had to wait; %t: seconds, %v: Gatepost's version, %h: greylist_hostname, %d: the date. Empty"
      " for none.", DONE, since="gatepost"),
    P("greylist_hostname", STRING, "$myhostname", "What %h stands for in greylist_header.", DONE, since="gatepost"),
    P("greylist_identity", WORDS, "",
      "Where a domain answers for a client, it is remembered in the place of the client's network: spf (SPF lets the client send"
      " in the name of the sender's domain; check_spf before check_greylist), name (the client's confirmed name lies in it).",
      DONE, since="gatepost", words=("spf", "name")),
    P("greylist_identity_ipv4cidr", INTEGER, "12",
      "Bits of the largest network by which an SPF policy may answer for a client (greylist_identity).", DONE, since="gatepost",
      minimum=1, maximum=32),
    P("greylist_identity_ipv6cidr", INTEGER, "28",
      "Bits of the largest IPv6 network by which an SPF policy may answer for a client (greylist_identity).", DONE,
      since="gatepost", minimum=1, maximum=128),
    P("greylist_ipv4cidr", INTEGER, "24", "Bits of the network by which an IPv4 client is remembered.", DONE, since="gatepost",
      minimum=0, maximum=32),
    P("greylist_ipv6cidr", INTEGER, "64", "Bits of the network by which an IPv6 client is remembered.", DONE, since="gatepost",
      minimum=0, maximum=128),
    P("greylist_lookup_by_host", BOOLEAN, "no", "Remember clients by address and not by network.", DONE, since="gatepost"),
    P("greylist_max_age", TIME, "35d", "How long a triplet or client is remembered after it was last seen.", DONE, unit="d",
      since="gatepost", minimum=1),
    P("greylist_privacy", BOOLEAN, "no", "Store keys as SHA-1 digests only.", DONE, since="gatepost"),
    P("greylist_report_time", TIME, "7d",
      "How long triplets that did not come back are kept for `gatepost greylist report`, if that is longer than"
      " greylist_retry_window.", DONE, unit="d", since="gatepost", minimum=0),
    P("greylist_retry_window", TIME, "2d", "How long after its first attempt the return of a triplet counts.", DONE, unit="d",
      since="gatepost", minimum=1),
    P("greylist_text", STRING, "Greylisted, please try again in %s seconds",
      "What is said to who has to come again; %s: seconds that are left, %r: the recipient's domain.", DONE, since="gatepost"),
    P("greylist_whitelist_clients", FILE, "/etc/postgrey/whitelist_clients",
      "Files of clients that are not greylisted, in postgrey's format; FILE.local is read with FILE, and both again when they"
      " change.", DONE, since="gatepost"),
    P("greylist_whitelist_recipients", FILE, "/etc/postgrey/whitelist_recipients",
      "Files of recipients that are not greylisted for; as greylist_whitelist_clients.", DONE, since="gatepost"),
)
