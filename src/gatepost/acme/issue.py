"""One certificate, from the order to its chain (RFC 8555 §7.4 to §7.5)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from gatepost.acme.answers import Authorization, Challenge, Order
from gatepost.acme.jws import base64url
from gatepost.acme.port import AcmeFailure, Pause, Proof, Respond, shown
from gatepost.acme.session import Session

T = TypeVar("T", Order, Authorization)

MOST_DOMAINS: Final = 100
_POLL, _LONGEST_POLL = 1.0, 30.0  # seconds between two looks; what the authority asks for lies between
PATIENCE: Final = 300.0
"""Seconds of looking after one thing, an authorization or an order, that the authority is to decide."""


async def issue(session: Session, domains: Sequence[str], kind: str, request: bytes, respond: Respond, pause: Pause) -> str:
    """The chain of certificates for `domains`, in PEM.

    - `session`: open already;
    - `domains`: in A-labels and lower case;
    - `kind`: of the challenges, `http-01` or `tls-alpn-01`;
    - `request`: the certificate request (CSR), DER.

    Raises AcmeFailure."""
    identifiers = [{"type": "dns", "value": domain} for domain in domains]
    made = await session.post(session.directory.new_order, {"identifiers": identifiers}, Order)
    url = made.location
    if len(made.value.authorizations) > MOST_DOMAINS:
        raise AcmeFailure("the authority asks for more authorizations than there may be")
    await _authorize(session, made.value.authorizations, domains, kind, respond, pause)
    order = await _settled(session, url, Order, ("ready", "valid"), "the order", pause)
    if order.status == "ready":
        await session.post(order.finalize, {"csr": base64url(request)}, Order)
        order = await _settled(session, url, Order, ("valid",), "the order", pause)
    return await session.text(order.certificate)


async def _authorize(
    session: Session, urls: Sequence[str], domains: Sequence[str], kind: str, respond: Respond, pause: Pause
) -> None:
    """Show that the domains of these authorizations are ours; of those that were shown before, nothing is asked."""
    asked: dict[str, tuple[str, Proof]] = {}  # by the authorization: the URL of its challenge
    for url in urls:
        authorization = (await session.get(url, Authorization)).value
        if authorization.status != "valid":
            challenge = _of_kind(authorization, kind)
            token, domain = challenge.checked_token(), authorization.identifier.value.lower()
            if domain not in domains:
                raise AcmeFailure(f"the authority asks for another domain: {shown(domain)}")
            asked[url] = challenge.url, Proof(domain, token, session.key_authorization(token))
    if not asked:
        return
    async with respond([proof for _, proof in asked.values()]):
        for challenge_url, _ in asked.values():
            await session.post(challenge_url, {}, Challenge)
        for url, (_, proof) in asked.items():
            await _settled(session, url, Authorization, ("valid",), proof.domain, pause)


def _of_kind(authorization: Authorization, kind: str) -> Challenge:
    domain = shown(authorization.identifier.value)
    if authorization.status != "pending":
        raise AcmeFailure(f"{domain}: the authorization is {shown(authorization.status)}{_why(authorization)}")
    for challenge in authorization.challenges:
        if challenge.type == kind:
            return challenge
    offered = ", ".join(shown(one.type, 30) for one in authorization.challenges)
    raise AcmeFailure(f"{domain}: the authority offers no {kind}, but: {offered}; see acme_challenge")


_GOES_ON: Final[Mapping[type, tuple[str, ...]]] = {Order: ("pending", "processing"), Authorization: ("pending",)}
"""The states in which the authority has not decided yet."""


async def _settled(session: Session, url: str, kind: type[T], wanted: tuple[str, ...], what: str, pause: Pause) -> T:
    """What is at `url` once it is in one of the states that are wanted. Raises AcmeFailure where it comes into any other, or
    stays undecided."""
    waited = 0.0
    going_on = _GOES_ON[kind] + (("ready",) if "ready" not in wanted else ())
    while True:
        answer = await session.get(url, kind)
        found: Any = answer.value
        if found.status in wanted:
            return answer.value
        if found.status not in going_on:
            raise AcmeFailure(f"{what} is {shown(found.status)}{_why(found)}")
        wait = min(max(answer.retry_after, _POLL), _LONGEST_POLL)
        if waited + wait > PATIENCE:
            raise AcmeFailure(f"{what} is still {found.status} after {PATIENCE:.0f} seconds")
        waited += wait
        await pause(wait)


def _why(found: Order | Authorization) -> str:
    """What the authority says against an order or an authorization."""
    problems = [found.error] if isinstance(found, Order) else [one.error for one in found.challenges]
    told = [str(problem) for problem in problems if problem is not None]
    return f": {told[0]}" if told else ""
