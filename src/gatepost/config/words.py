"""Parameters whose value is a list of fixed words. A daemon of Postfix ends at a word that it does not know, for what was meant by
it would not happen: `receive_override_options = no_adress_mappings`."""

from collections.abc import Iterator, Mapping

from gatepost.config.values import split

_ENVELOPE_AND_HEADER = frozenset({"envelope_sender", "envelope_recipient", "header_sender", "header_recipient"})
_LISTED_BY = frozenset({"alias", "forward", "include"})

WORDS: Mapping[str, frozenset[str]] = {
    "allow_mail_to_commands": _LISTED_BY,
    "allow_mail_to_files": _LISTED_BY,
    "canonical_classes": _ENVELOPE_AND_HEADER,
    "inet_protocols": frozenset({"all", "ipv4", "ipv6"}),
    "internal_mail_filter_classes": frozenset({"bounce", "notify"}),
    "masquerade_classes": _ENVELOPE_AND_HEADER,
    "notify_classes": frozenset({"2bounce", "bounce", "data", "delay", "policy", "protocol", "resource", "software"}),
    "propagate_unmatched_extensions": _LISTED_BY | {"canonical", "generic", "virtual"},
    "receive_override_options": frozenset(
        {"no_address_mappings", "no_header_body_checks", "no_milters", "no_unknown_recipient_checks"}
    ),
    "recipient_canonical_classes": frozenset({"envelope_recipient", "header_recipient"}),
    "sender_canonical_classes": frozenset({"envelope_sender", "header_sender"}),
}


def unknown_words(name: str, value: str) -> Iterator[tuple[str, str]]:
    """(what is wrong, in Postfix's words; what to do) for each word in the value of a parameter that means nothing there."""
    known = WORDS.get(name)
    if known is not None:
        for word in split(value):
            if word not in known:
                yield f'unknown {name} value "{word}" in "{value}"', "write any of: " + ", ".join(sorted(known))
