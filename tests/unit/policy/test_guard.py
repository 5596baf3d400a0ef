"""A configuration in which nothing keeps strangers from relaying is refused as a whole."""

from pathlib import Path

import pytest
from tests.support.restrictions import play

from gatepost.config.faults import ConfigurationError


@pytest.mark.parametrize("recipient", ["", "permit_mynetworks", "warn_if_reject reject", "reject_non_fqdn_recipient"])
def test_unguarded(recipient: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="specify at least one working instance of"):
        play(["main smtpd_relay_restrictions =", f"main smtpd_recipient_restrictions = {recipient}"], tmp_path)


def test_guarded_by_a_class(tmp_path: Path) -> None:
    classes = ["main smtpd_restriction_classes = last", "main last = reject_unauth_destination"]
    play([*classes, "main smtpd_relay_restrictions =", "main smtpd_recipient_restrictions = last"], tmp_path)
