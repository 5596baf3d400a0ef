"""A session with an authority: its directory, our account, and requests signed with a fresh nonce each (RFC 8555 §6, §7.3)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from gatepost.acme import answers
from gatepost.acme.answers import Account, Directory, Problem
from gatepost.acme.jws import AccountKey
from gatepost.acme.port import AcmeFailure, Fetch, shown
from gatepost.net import url as urls
from gatepost.proto.http import Request, Response

T = TypeVar("T")

_TRIES: Final = 10  # with a nonce each: an authority may refuse good ones (RFC 8555 §6.5)
_JOSE: Final = (("Content-Type", "application/jose+json"),)


class Binding(Struct, frozen=True):
    """An account that the authority knows us by already (RFC 8555 §7.3.4). `key`: octets."""

    key_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"Binding({self.key_id!r})"


class Answer(Struct, Generic[T], frozen=True):
    """`value`: what it says; `location`: the URL of what was made; `retry_after`: seconds."""

    value: T
    location: str
    retry_after: float


class Session:
    """`clock`: seconds since 1970."""

    def __init__(self, directory_url: str, key: AccountKey, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._url = directory_url
        self._key = key
        self._fetch = fetch
        self._clock = clock
        self._account = ""
        self._nonce = ""
        self.directory = Directory("", "", "")

    async def open(self, contacts: Sequence[str] = (), binding: Binding | None = None) -> None:
        """Ask for the directory, and have an account: the same one for the same key. `contacts`: mail addresses. Raises
        AcmeFailure."""
        response = await self._send(Request(self._url))
        if response.status != 200:
            raise self._failure(self._url, response)
        self.directory = answers.read(response, Directory, _host(self._url))
        payload: dict[str, Any] = {"termsOfServiceAgreed": True}
        if contacts:
            payload["contact"] = [f"mailto:{one}" for one in contacts]
        if binding is not None:
            payload["externalAccountBinding"] = self._key.bound(self.directory.new_account, binding.key_id, binding.key)
        elif self.directory.meta.external_account_required:
            raise AcmeFailure(f"{_host(self._url)} takes known accounts only: set acme_eab_key_id and acme_eab_key_file")
        answer = await self.post(self.directory.new_account, payload, Account)
        if answer.value.status != "valid":
            raise AcmeFailure(f"{_host(self._url)}: the account is {shown(answer.value.status)}: move account.pem away for another")
        self._account = answer.location

    def key_authorization(self, token: str) -> str:
        """Of our account (RFC 8555 §8.1)."""
        return self._key.key_authorization(token)

    async def get(self, url: str, kind: type[T]) -> Answer[T]:
        """What is at a URL, by POST-as-GET (RFC 8555 §6.3). Raises AcmeFailure."""
        return await self.post(url, None, kind)

    async def post(self, url: str, payload: Mapping[str, Any] | None, kind: type[T]) -> Answer[T]:
        """What an authority answers to a signed payload. Raises AcmeFailure."""
        response = await self._signed(url, b"" if payload is None else msgspec.json.encode(payload))
        value = answers.read(response, kind, _host(url))
        return Answer(value, response.header("location"), answers.retry_after(response, self._clock()))

    async def text(self, url: str) -> str:
        """The text at a URL: certificates in PEM. Raises AcmeFailure."""
        return (await self._signed(url, b"")).body.decode("ascii", "replace")

    async def _signed(self, url: str, payload: bytes) -> Response:
        """Raises AcmeFailure where the answer is none of success."""
        told = Problem()
        for _ in range(_TRIES):
            nonce, self._nonce = self._nonce or await self._new_nonce(), ""
            body = self._key.signed(url, nonce, payload, self._account)
            response = await self._send(Request(url, "POST", _JOSE, body))
            if 200 <= response.status < 300:
                return response
            told = answers.problem(response)
            if told.name != "badNonce":
                raise self._failure(url, response)
        raise AcmeFailure(f"{_host(url)}: {told}")

    async def _new_nonce(self) -> str:
        response = await self._send(Request(self.directory.new_nonce, "HEAD"))
        nonce, self._nonce = self._nonce, ""
        if not nonce:
            raise AcmeFailure(f"{_host(self.directory.new_nonce)}: no nonce came, but status {response.status}")
        return nonce

    async def _send(self, request: Request) -> Response:
        """Every URL but the first is the authority's word: none but https is asked for."""
        _host(request.url)
        response = await self._fetch(request)
        self._nonce = answers.nonce(response)
        return response

    def _failure(self, url: str, response: Response) -> AcmeFailure:
        return AcmeFailure(f"{_host(url)}: {answers.problem(response)}", answers.retry_after(response, self._clock()))


def _host(url: str) -> str:
    """Who is asked by a URL. Raises AcmeFailure for one that is not of the form https://host/path."""
    try:
        found = urls.parse(url)
    except ValueError:
        raise AcmeFailure(f"not a URL of https: {shown(url, 100)}") from None
    if found.scheme != "https":
        raise AcmeFailure(f"not a URL of https: {shown(url, 100)}")
    return found.authority
