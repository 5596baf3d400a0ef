"""A routing over inline tables, as the golden cases configure it."""

from collections.abc import Callable

import pytest
from tests.support.settings import default

from gatepost.lookup.registry import Tables
from gatepost.routing.routing import Routing
from gatepost.routing.settings import RoutingSettings

BASE = {
    "myhostname": "mail.example.test",
    "mydomain": "example.test",
    "myorigin": "mail.example.test",
    "mydestination": "mail.example.test, example.test, localhost.example.test, localhost",
    "local_transport": "local:mail.example.test",
    "parent_domain_matches_subdomains": "relay_domains",
}

MakeRouting = Callable[..., Routing]


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def make_routing(warnings: list[str]) -> MakeRouting:
    def make(**parameters: object) -> Routing:
        settings = default(RoutingSettings, **{**BASE, **parameters})
        tables = Tables(warnings.append)
        return Routing(settings, tables, frozenset(("127.0.0.1",)), mapping=tables)

    return make
