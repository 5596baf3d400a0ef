"""What `$1` of a pattern would take from an address chooses no mailbox, command or transport (local(8), virtual(8)).
virtual_alias_maps may have it (virtual(5))."""

from collections.abc import Callable

import pytest

from tests.integration.system import System

Make = Callable[..., System]

VIRTUAL = [
    "virtual_mailbox_maps = regexp:{ { /^(.*)@example.test/ $$1/ } }\n",
    "virtual_mailbox_maps = pcre:{ { /^(.*)@example.test/ $$1/ } }\n",
    "virtual_mailbox_maps = static:box/\nvirtual_uid_maps = regexp:{ { /^([0-9]*)/ 65534$$1 } }\n",
    "virtual_mailbox_maps = static:box/\nvirtual_gid_maps = pcre:{ { /^([0-9]*)/ 65534$$1 } }\n",
]
LOCAL = [
    'alias_maps = regexp:{ { /^(.*)/ "|touch {dir}/$$1" } }\n',
    "mailbox_command_maps = pcre:{ { /^(.*)/ touch {dir}/$$1 } }\n",
    "mailbox_transport_maps = pcre:{ { /^(.*)/ discard:$$1 } }\n",
    "fallback_transport_maps = regexp:{ { /^(.*)/ discard:$$1 } }\n",
]
SKIPPED = "line 1: regular expression substitution is not allowed: skipping this rule"


@pytest.mark.parametrize("main", VIRTUAL)
def test_no_mailbox(system: Make, main: str) -> None:
    gatepost = system(main).start()
    gatepost.send(to="box@example.test")
    gatepost.logged("postfix/virtual[", SKIPPED)
    gatepost.logged("postfix/virtual[", "status=deferred" if "static:box/" in main else "status=bounced (unknown user")
    assert not gatepost.delivered()


@pytest.mark.parametrize("main", LOCAL)
def test_no_command_and_no_transport(system: Make, main: str) -> None:
    gatepost = system("mydestination = local.example\nlocal_recipient_maps =\nalias_maps =\n" + main).start()
    gatepost.send(to="no-such-user@local.example")
    gatepost.logged("postfix/local[", SKIPPED)
    gatepost.logged("postfix/local[", "status=bounced (unknown user")
    assert not (gatepost.folder / "no-such-user").exists()


def test_aliases_of_domains_may_have_it(system: Make) -> None:
    gatepost = system(
        "virtual_alias_maps = pcre:{ { /^(.*)@example.org/ $$1@example.test } }\nvirtual_alias_domains = example.org\n"
    )
    gatepost.start().send("Subject: by alias\r\n\r\n", to="box@example.org")
    assert b"by alias" in gatepost.arrival(b"by alias")
