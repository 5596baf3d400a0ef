"""Standard form of addresses (trivial-rewrite(8))."""

import pytest

from gatepost.routing.rewrite import REMOTE

from .conftest import MakeRouting


@pytest.mark.parametrize(
    ("address", "rewritten"),
    [
        ("", ""),
        ("joe", "joe@mail.example.test"),
        ("joe@host", "joe@host"),
        ("joe@host.", "joe@host"),
        ("joe@host..", "joe@host.."),
        ("joe@", "joe@"),
        ("host!user", "user@host"),
        ("a%b", "a@b"),
        ("joe%client.test@example.test", "joe%client.test@example.test"),
        ("Alice@EXAMPLE.test", "Alice@EXAMPLE.test"),
        ("joe user@x.test", "joe user@x.test"),
        ("a@[1.2.3.4]", "a@[1.2.3.4]"),
    ],
)
def test_local_context(make_routing: MakeRouting, address: str, rewritten: str) -> None:
    assert make_routing().rewriter.rewrite(address) == rewritten


def test_parameters(make_routing: MakeRouting) -> None:
    assert make_routing(append_dot_mydomain=True).rewriter.rewrite("joe@host") == "joe@host.example.test"
    assert make_routing(append_at_myorigin=False).rewriter.rewrite("joe") == "joe"
    off = make_routing(swap_bangpath=False, allow_percent_hack=False).rewriter
    assert off.rewrite("host!user") == "host!user@mail.example.test"
    assert off.rewrite("a%b") == "a%b@mail.example.test"


def test_remote_context(make_routing: MakeRouting) -> None:
    assert make_routing(remote_header_rewrite_domain="invalid.test").rewriter.rewrite("joe", REMOTE) == "joe@invalid.test"


def test_external_form(make_routing: MakeRouting) -> None:
    rewriter = make_routing().rewriter
    assert rewriter.rewrite_external("@a,@b:c@d.test") == "c@d.test"
    assert rewriter.rewrite_external('"joe user"') == '"joe user"@mail.example.test'
    assert rewriter.rewrite_external("<joe") == '"<joe"@mail.example.test'
