"""Parameters whose value is of fixed words. A daemon of Postfix ends at a word that it does not know, for what was meant by it
would not happen: `receive_override_options = no_adress_mappings`."""

from collections.abc import Iterator, Mapping

from gatepost.config.parameters import Parameter, ValueKind
from gatepost.config.values import split

_TLS_LEVEL = 'Invalid TLS level "{value}"'
_TEMPFAIL_ACTION = "bad configuration: {name} = {value}"
_REFUSALS: Mapping[str, str] = {
    "header_from_format": 'invalid setting: "{name} = {value}"',
    "lmtp_tls_security_level": _TLS_LEVEL,
    "mynetworks_style": 'unknown mynetworks mask style value "{value}" in "{value}"',
    "reject_tempfail_action": _TEMPFAIL_ACTION,
    "smtp_tls_security_level": _TLS_LEVEL,
    "smtpd_forbid_bare_newline": "bad parameter value: '{name} = {value}'",
    "smtpd_tls_security_level": _TLS_LEVEL,
    "unknown_address_tempfail_action": _TEMPFAIL_ACTION,
    "unknown_helo_hostname_tempfail_action": _TEMPFAIL_ACTION,
    "unverified_recipient_tempfail_action": _TEMPFAIL_ACTION,
    "unverified_sender_tempfail_action": _TEMPFAIL_ACTION,
}
"""How Postfix says that a choice is none, where it does not say it as most programs do."""

_CASE_COUNTS = frozenset({"mynetworks_style"})
"""Choices that Postfix knows in small letters only (name_mask there, name_code elsewhere)."""

_REFUSAL = "bad {name} value: {value}"


def chosen(row: Parameter, value: str) -> str:
    """The word that the value of a CHOICE means."""
    return value if row.name in _CASE_COUNTS else value.lower()


def unknown_words(row: Parameter, value: str) -> Iterator[tuple[str, str]]:
    """(what is wrong, in Postfix's words; what to do) for each word in the value of a parameter that means nothing there."""
    if row.kind is ValueKind.WORDS:
        for word in split(value):
            if word not in row.words:
                yield f'unknown {row.name} value "{word}" in "{value}"', "write any of: " + ", ".join(row.words)
    elif row.kind is ValueKind.CHOICE and chosen(row, value) not in row.words:
        yield (
            _REFUSALS.get(row.name, _REFUSAL).format(name=row.name, value=value),
            "write one of: " + ", ".join(filter(None, row.words)),
        )
