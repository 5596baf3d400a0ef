"""smtp_dns_resolver_options: the names that are asked for, as res_search(3) has them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gatepost.net.port import Answer, NotFound, TryAgain
from gatepost.net.searching import SearchingResolver, SearchList, search_list, system_search_list

LISTED = SearchList(("one.test", "two.test"))


@pytest.mark.parametrize(
    ("name", "options", "names"),
    [
        ("host", "", "host"),
        ("host", "res_dnsrch", "host"),
        ("host", "res_defnames", "host.one.test host"),
        ("host", "res_defnames res_dnsrch", "host.one.test host.two.test host"),
        ("a.host", "res_defnames", "a.host"),
        ("a.host", "res_dnsrch", "a.host a.host.one.test a.host.two.test"),
        ("a.host.", "res_dnsrch", "a.host."),
        ("host.", "res_defnames res_dnsrch", "host."),
    ],
)
def test_names(name: str, options: str, names: str) -> None:
    assert list(LISTED.names(name, options.split())) == names.split()


def test_more_dots() -> None:
    listed = SearchList(("one.test",), 2)
    assert list(listed.names("a.b", ["res_dnsrch"])) == ["a.b.one.test", "a.b"]


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("", SearchList(("own.test",))),
        ("nameserver 192.0.2.1\nsearch a.test b.test.\n", SearchList(("a.test", "b.test"))),
        ("search a.test\ndomain c.test\n# search d.test\n", SearchList(("c.test",))),
        ("search .\noptions rotate ndots:3 edns0\n", SearchList((), 3)),
    ],
)
def test_what_the_file_says(text: str, listed: SearchList) -> None:
    assert search_list(text, "host.own.test") == listed


def test_no_file(tmp_path: Path) -> None:
    assert system_search_list(tmp_path / "nothing").dots == 1


class Source:
    def __init__(self, **answers: Any) -> None:
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}

    async def answer(self, name: str, record: str) -> Answer:
        answer = self.answers.get(name) or NotFound(name, record, "", exists=False)
        if isinstance(answer, Exception):
            raise answer
        return Answer((answer,), name, 60, 0.0)


def find(**answers: Any) -> Any:
    source: Any = Source(**answers)
    return asyncio.run(SearchingResolver(source, LISTED, ("res_defnames", "res_dnsrch")).a("host"))


def test_the_first_that_there_is() -> None:
    assert find(host_two_test="192.0.2.2", host="192.0.2.3") == ("192.0.2.2",)


def test_none() -> None:
    with pytest.raises(NotFound) as raised:
        find(host_one_test=NotFound("", "", "", exists=True))
    assert (raised.value.name, raised.value.exists) == ("host", True)


def test_a_name_server_that_does_not_tell() -> None:
    with pytest.raises(TryAgain):
        find(host_one_test=TryAgain("", "", ""), host="192.0.2.3")
