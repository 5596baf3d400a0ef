"""What settings of the SMTP client mean."""

import pytest
from tests.support.settings import default

from gatepost.deliver.smtp_options import asks_dns
from gatepost.deliver.smtp_settings import SmtpSettings


@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        ({}, True),
        ({"disable_dns_lookups": True}, False),
        ({"smtp_dns_support_level": "disabled"}, False),
        ({"smtp_dns_support_level": "enabled", "disable_dns_lookups": True}, True),
        ({"smtp_dns_support_level": "dnssec"}, True),
    ],
)
def test_whether_the_dns_is_asked(settings: dict[str, object], asks: bool) -> None:
    assert asks_dns(default(SmtpSettings, **settings)) is asks
