"""smtp_dns_resolver_options: names of few labels are also looked for in the domains of resolv.conf(5), as res_search(3) does."""

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from gatepost.net.answers import Around
from gatepost.net.port import Answer, AnswerSource, NotFound

PATH = Path("/etc/resolv.conf")


class SearchList(Struct, frozen=True):
    """`domains` in turn; a name with `dots` or more of them is asked for as it stands first."""

    domains: tuple[str, ...] = ()
    dots: int = 1

    def names(self, name: str, options: Sequence[str]) -> Iterator[str]:
        """The names to ask for, by options `res_defnames` (a name without a dot is one of the first domain) and `res_dnsrch` (names
        with dots are looked for in all domains; so are those without, where they are looked for)."""
        dots = name.count(".")
        more = "res_dnsrch" in options
        domains = self.domains if more else self.domains[:1]
        wanted = not name.endswith(".") and (more if dots else "res_defnames" in options)
        qualified = [f"{name}.{domain}" for domain in domains] if wanted else []
        first = dots >= self.dots
        yield from ([name] if first else [])
        yield from qualified
        yield from ([] if first else [name])


def search_list(text: str, hostname: str) -> SearchList:
    """What resolv.conf(5) says; without a word of it there, the domain of `hostname`."""
    found = re.findall(r"^(?:search|domain)[ \t]+(.*)$", text, re.MULTILINE)
    own = [hostname.partition(".")[2]] if "." in hostname else []
    domains = found[-1].split() if found else own
    dots = re.findall(r"^options\b.*\bndots:(\d{1,2})\b", text, re.MULTILINE)
    return SearchList(tuple(domain.rstrip(".") for domain in domains if domain.rstrip(".")), int(dots[-1]) if dots else 1)


def system_search_list(path: Path = PATH) -> SearchList:
    """That of this system; without a file, that of its name."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        text = ""
    return search_list(text, socket.gethostname())


class SearchingResolver(Around):
    """The answers of `source` to the first of several names that there is. Raises what is known of the name as it stands."""

    def __init__(self, source: AnswerSource, listed: SearchList, options: Sequence[str]) -> None:
        super().__init__(source)
        self._listed = listed
        self._options = options

    async def answer(self, name: str, record: str) -> Answer:
        exists = False
        for asked in self._listed.names(name, self._options):
            try:
                return await self._source.answer(asked, record)
            except NotFound as failure:
                exists = exists or failure.exists
        raise NotFound(name, record, "no data" if exists else "no such name", exists=exists)
