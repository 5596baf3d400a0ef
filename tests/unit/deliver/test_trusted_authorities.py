"""Whom a client believes under which policy."""

import pytest
from tests.support.settings import default

from gatepost.deliver import starttls
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.sts import StsFound
from gatepost.deliver.tls_level import Level
from gatepost.deliver.tls_policy import TlsPolicy
from gatepost.net.client_tls import ContextSpec
from gatepost.proto.mta_sts import Mode, StsPolicy

OBEYED = StsFound("a.test", StsPolicy(Mode.ENFORCE, 1, ("mx.a.test",)), enforced=True)
TESTED = StsFound("a.test", StsPolicy(Mode.TESTING, 1, ("mx.a.test",)))


@pytest.mark.parametrize(
    ("level", "sts", "public"),
    [
        (Level.SECURE, None, False),
        (Level.VERIFY, None, False),
        (Level.SECURE, OBEYED, True),
        (Level.MAY, TESTED, True),
        (Level.ENCRYPT, TESTED, True),
        (Level.VERIFY, TESTED, False),
    ],
)
def test_public_authorities(level: Level, sts: StsFound | None, public: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the system, beside our own, for policies of MTA-STS; but no stranger's policy that is only tested has `verify`
    believe others than it is told to."""
    made: list[ContextSpec] = []
    monkeypatch.setattr(starttls, "client_context", made.append)
    settings = default(SmtpSettings, smtp_tls_CAfile="/ca.pem")
    starttls.Security(settings, print, "smtp")._context(TlsPolicy(level, ciphers="medium", sts=sts))
    assert [spec.system_roots for spec in made] == [public]
