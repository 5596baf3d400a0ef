"""internal_mail_filter_classes: whether header checks see our own bounces."""

import pytest

from tests.support.running import System
from tests.support.sink import Sink

_MAIN = {
    "header_checks": "regexp:{{/^Subject: Undelivered/ REPLACE Subject: checked}}",
    "transport_maps": "inline:{{b@example.net=error:5.1.1 no}}",
    "smtpd_reject_unlisted_recipient": "no",
}


@pytest.mark.parametrize(("classes", "checked"), [("", False), ("notify, bounce", True)])
def test_bounces_are_checked_where_asked(classes: str, checked: bool) -> None:
    main = {**_MAIN, "internal_mail_filter_classes": classes}
    with Sink() as sink, System(relay=sink.port, main=main) as gatepost:
        assert gatepost.send()
        gatepost.logged("to=<a@example.com>", "status=sent")
        (bounce,) = sink.taken
        assert (b"Subject: checked" in bounce.content) is checked
