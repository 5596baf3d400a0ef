"""The public suites of SPF, of RFC 4408 and of RFC 7208, whole.

They are read from `GATEPOST_DATA` (default: the folder `shared/data` beside the project). Where that is missing the tests are
left out, but in CI its absence is an error.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.spf import Zone, run

from gatepost.identity.spf.evaluation import check_host
from gatepost.identity.spf.port import Case, Identity

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SUITES = [DATA / "vectors" / "spf" / f"{name}-tests.yml" for name in ("rfc4408", "rfc7208")]

if not all(suite.exists() for suite in SUITES) and os.environ.get("CI") != "true":
    pytest.skip(f"no SPF suites in {SUITES[0].parent}", allow_module_level=True)


def cases() -> Iterator[Any]:
    for suite in SUITES:
        for scenario in yaml.safe_load_all(suite.read_text()):
            for name, case in scenario["tests"].items():
                yield pytest.param(case, scenario["zonedata"], id=f"{suite.stem}-{name}")


def asked(case: dict[str, Any]) -> Case:
    """The null sender is `postmaster` at the HELO name (RFC 7208 §2.4)."""
    helo, sender = case["helo"], case["mailfrom"]
    identity = Identity.MAIL_FROM if sender else Identity.HELO
    sender = sender or f"postmaster@{helo}"
    return Case(
        address=case["host"], domain=sender.rpartition("@")[2], sender=sender, helo=helo, identity=identity,
        receiver="receiver.example.org",
    )  # fmt: skip


def test_suites_are_whole() -> None:
    assert len(list(cases())) > 300


@pytest.mark.parametrize(("case", "zone"), list(cases()))
def test_suite(case: dict[str, Any], zone: dict[str, Any]) -> None:
    verdict = run(check_host(asked(case)), Zone(zone))
    allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert verdict.result in allowed, verdict
    if "explanation" in case:
        assert verdict.explanation == case["explanation"].replace("DEFAULT", ""), verdict
