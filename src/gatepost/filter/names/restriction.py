"""Which domains may be asked for (perldoc Mail::SpamAssassin::Conf, dns_query_restriction)."""

from collections.abc import Iterable


class Restriction:
    """`lines`: values of dns_query_restriction, `allow|deny DOMAIN ...`, in order; of two about a domain the later counts."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._allowed: dict[str, bool] = {}
        for line in lines:
            verb, *domains = line.lower().split()
            if verb in ("allow", "deny"):
                self._allowed.update((domain.strip("."), verb == "allow") for domain in domains)

    def allows(self, name: str) -> bool:
        """Whether a name in lower case may be asked for: the closest of the domains above it decides, `*` stands above all."""
        if not self._allowed:
            return True
        while name:
            if name in self._allowed:
                return self._allowed[name]
            name = name.partition(".")[2]
        return self._allowed.get("*", True)
