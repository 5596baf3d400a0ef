"""Parameters of the LMTP client (lmtp(8)): the SMTP client's rows under their other names, but for what differs."""

from collections.abc import Iterator, Mapping
from typing import Any

from gatepost.config.parameters import smtp
from gatepost.config.parameters.row import BOOLEAN, DONE, P, Parameter

_NAMES: Mapping[str, str] = {
    "smtp_helo_name": "lmtp_lhlo_name",
    "smtp_helo_timeout": "lmtp_lhlo_timeout",
    "smtp_discard_ehlo_keywords": "lmtp_discard_lhlo_keywords",
    "smtp_discard_ehlo_keyword_address_maps": "lmtp_discard_lhlo_keyword_address_maps",
}
"""Those that do not only have another prefix."""

SMTP_ONLY = frozenset(
    (
        "smtp_always_send_ehlo",
        "smtp_never_send_ehlo",
        "smtp_tls_dane_insecure_mx_policy",
        "smtp_tls_mta_sts",
        "smtp_tls_mta_sts_timeout",
        "smtp_tlsrpt_enable",
        "smtp_tlsrpt_skip_reused_handshakes",
        "smtp_tlsrpt_socket_name",
    )
)
"""What LMTP has no parameters for."""

_OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "lmtp_connect_timeout": {"default": "0s"},
    "lmtp_discard_lhlo_keyword_address_maps": {"doc": "Tables by server address: LHLO keywords to ignore from that server."},
    "lmtp_discard_lhlo_keywords": {"doc": "LHLO keywords to ignore."},
    "lmtp_fallback_relay": {"default": ""},
    "lmtp_lhlo_name": {"doc": "Host name given in LHLO."},
    "lmtp_lhlo_timeout": {"doc": "Time limit for LHLO and for the greeting."},
    "lmtp_requiretls_policy": {"default": "opportunistic"},
    "lmtp_skip_quit_response": {"default": "no"},
    "lmtp_tcp_port": {"default": "24"},
    "lmtp_tls_enable_rpk": {"default": "yes"},
    "lmtp_tls_loglevel_maps": {"default": "$smtp_tls_loglevel_maps"},
    "lmtp_tls_secure_cert_match": {"default": "nexthop"},
}
"""What a row of LMTP has otherwise."""

# fmt: off
_OWN: tuple[Parameter, ...] = (
    P("lmtp_assume_final", BOOLEAN, "no",
      "Say delivered, not relayed, in reports about mail accepted by an LMTP server.", DONE),
)
# fmt: on


def lmtp_name(name: str) -> str:
    """The LMTP client's name for a parameter of the SMTP client; others are the same for both."""
    return _NAMES.get(name) or (f"lmtp_{name[5:]}" if name.startswith("smtp_") else name)


def _rows() -> Iterator[Parameter]:
    yield from _OWN
    for row in smtp.ROWS:
        if row.name.startswith("smtp_") and row.name not in SMTP_ONLY:
            default, doc, why = (text.replace("smtp_", "lmtp_") for text in (row.default, row.doc, row.why))
            name = lmtp_name(row.name)
            yield row._replace(name=name, default=default, doc=doc, why=why)._replace(**_OTHERWISE.get(name, {}))


ROWS: tuple[Parameter, ...] = tuple(sorted(_rows()))
