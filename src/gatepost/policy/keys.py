"""What is looked up in access(5) tables, and in which order: whole keys first, then ever larger parts of the world."""

from collections.abc import Iterator

from gatepost.lookup.address import split_extension
from gatepost.mail.address import external
from gatepost.mail.ascii_text import is_number


def domains(name: str, *, dotless_parents: bool) -> Iterator[str]:
    """`name` and its parent domains: as `parent`, or as `.parent` unless parent_domain_matches_subdomains asks for the first.

    An IP address has no parents. A final dot never makes an empty key.
    """
    yield name
    if name[:1] == "[" or _is_address(name):
        return
    rest = name
    while (dot := rest.find(".", 1)) >= 0:
        rest = rest[dot + 1 if dotless_parents else dot :]
        if not rest.strip("."):
            return
        yield rest


def networks(address: str) -> Iterator[str]:
    """`address` and its parent networks, an octet (IPv4) or a group (IPv6) less each time."""
    separator = ":" if ":" in address else "."
    while address:
        yield address
        address = address.rpartition(separator)[0]


def mail_addresses(address: str, delimiters: str, *, dotless_parents: bool) -> Iterator[str]:
    """`user+ext@domain`, `user@domain`, the domain and its parents, `user+ext@`, `user@`; quoted as in tables."""
    local, _, domain = address.rpartition("@")
    user, extension = split_extension(local, delimiters)
    users = (local, user) if extension else (local,)
    for each in users:
        yield external(f"{each}@{domain}")
    yield from domains(domain, dotless_parents=dotless_parents)
    for each in users:
        yield external(f"{each}@")


def _is_address(name: str) -> bool:
    return ":" in name or (is_number(name[-1:]) and is_number(name.replace(".", "")))
