"""The reply for a client that a DNS list has: a template that is filled in once (postconf(5), default_rbl_reply)."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gatepost.policy.restrictions.dnsbl import DnsList, _reply

_WHAT = "198.51.100.9"


class _Evaluation:
    """What _reply asks of an evaluation. `template`: default_rbl_reply; `said`: the TXT record of the list."""

    def __init__(self, template: str, said: str, **facts: str) -> None:
        self.settings = SimpleNamespace(
            rbl_reply_maps="", default_rbl_reply=template, maps_rbl_reject_code=554,
            smtpd_expansion_filter="".join(map(chr, range(32, 92))) + "_{}" + "".join(map(chr, range(97, 123))),
        )  # fmt: skip
        names = ("client", "client_address", "client_name", "reverse_client_name", "helo_name", "sender", "recipient")
        self.facts = SimpleNamespace(**{name: facts.get(name, "") for name in names})
        self._said = said
        self.sources = SimpleNamespace(tables=self, resolver=self)

    def warn(self, text: str) -> None: ...

    def maps(self, *_: str) -> "_Evaluation":
        return self

    async def find(self, _: str) -> None:
        return None

    async def txt(self, _: str) -> tuple[str, ...]:
        return (self._said,)


def _text(template: str, said: str = "", **facts: str) -> str:
    evaluation: Any = _Evaluation(template, said, **facts)
    return asyncio.run(_reply(evaluation, "9.100.51.198.list.test", DnsList("list.test", "list.test"), _WHAT, "Client host"))[2]


def test_what_is_filled_in_is_not_expanded() -> None:
    """Neither what a client says of itself nor what a list says of it names anything; and nothing grows by it."""
    sender = "$recipient" * 100
    text = _text(
        "554 blocked by $rbl_domain; $rbl_reason from <$sender>", "see $sender${rbl_what?x}", sender=sender, recipient="r" * 2000
    )
    assert text == f"blocked by list.test; see $sender${{rbl_what?x}} from <{sender}>"


def test_tests_of_a_template_are_its_own() -> None:
    assert _text("554 $rbl_class${rbl_reason?; $rbl_reason}", "$rbl_class") == "Client host; $rbl_class"
    assert _text("554 $rbl_class${rbl_reason?; $rbl_reason}") == "Client host"


@pytest.mark.parametrize(
    ("template", "reply"),
    [
        ("554 x", (554, "5.7.1", "x")),
        ("554  x", (554, "5.7.1", "x")),
        ("450 x", (450, "4.7.1", "x")),
        ("421 bye", (421, "4.7.1", "bye")),
        ("$rbl_code x", (554, "5.7.1", "x")),
        ("554 5.7.9 y", (554, "5.7.9", "y")),
        *[
            (wrong, (450, "4.7.1", "Service unavailable"))
            for wrong in ("x", "554", "554 ", "600 x", "250 ok", "5x0 x", "5545 x", "554-x")
        ],
    ],
)
def test_what_is_no_refusal_puts_off(template: str, reply: tuple[int, str, str]) -> None:
    """As seen at Postfix 3.7.11, which warns of the others."""
    evaluation: Any = _Evaluation(template, "")
    dnslist = DnsList("list.test", "list.test")
    assert asyncio.run(_reply(evaluation, "9.100.51.198.list.test", dnslist, _WHAT, "Client host")) == reply
