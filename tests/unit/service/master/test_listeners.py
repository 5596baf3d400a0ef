"""master_service_disable: services of master.cf that are not to listen."""

import pytest

from gatepost.config.master import parse_master
from gatepost.service.master.listeners import is_disabled

(SMTP,) = parse_master("smtp inet n - n - - smtpd\n", "master.cf").services


@pytest.mark.parametrize(
    ("patterns", "disabled"),
    [
        ("", False),
        ("inet", True),
        ("unix", False),
        ("smtp/inet", True),
        ("smtps/inet, submission/inet", False),
        ("!smtp/inet inet", False),
        ("inet !smtp/inet", True),
    ],
)
def test_disabled(patterns: str, disabled: bool) -> None:
    assert is_disabled(SMTP, patterns) is disabled
