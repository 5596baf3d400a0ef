"""What TLS parameters of either role mean to OpenSSL: protocols, ciphers, options and certificates (TLS_README, postconf(5)).

Failure: TlsFailure where a parameter cannot be obeyed; nothing is skipped in silence.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gatepost.mail.ascii_text import SPACE, elements, upper
from gatepost.net import openssl, openssl_configuration

if TYPE_CHECKING:
    import ssl


class TlsFailure(Exception):
    """Certificates or parameters that cannot be used; the text names file or parameter."""


class NoCertificates(TlsFailure):
    """There is no certificate to show, and nobody said `none`; the text is the whole of Postfix's log line."""

    def __init__(self) -> None:
        super().__init__("No server certs available. TLS won't be enabled")


class TlsSettings(Struct, frozen=True, kw_only=True):
    """What both roles share: the meaning of cipher grades, and OpenSSL's options."""

    tls_high_cipherlist: str
    tls_medium_cipherlist: str
    tls_low_cipherlist: str
    tls_export_cipherlist: str
    tls_null_cipherlist: str
    tls_ssl_options: str
    tls_disable_workarounds: str
    tls_append_default_CA: bool
    tls_eecdh_auto_curves: str

    def cipher_list(self, grade: str, excluded: str) -> str:
        """OpenSSL's list for a grade such as `medium`, without what is `excluded`. Raises TlsFailure."""
        if grade.lower() not in _GRADES:
            raise TlsFailure(f"invalid TLS cipher grade: {grade}")
        words = (word for word in re.split(r"(?a)[\s,:]+", excluded) if word)
        return ":".join((getattr(self, f"tls_{grade.lower()}_cipherlist"), *(f"!{word}" for word in words)))


_GRADES: Final = frozenset(("high", "medium", "low", "export", "null"))
_VERSIONS: Final = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_OLDEST: Final = _VERSIONS.index("TLSv1")
_PEM: Final = re.compile(r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----.*?-----END (?P=kind)-----", re.S)


def versions(text: str) -> frozenset[int]:
    """The protocols that a protocol list allows, as indices of SSLv2 ... TLSv1.3: `>=TLSv1.2`, `!SSLv3`, `TLSv1.2 TLSv1.3`.
    Raises TlsFailure."""
    everything = range(len(_VERSIONS))
    allowed, named = set(everything), set[int]()
    for word in re.split(r"(?a)[\s,:]+", text.strip(SPACE)):
        name = word.lstrip("><=!")
        match word[: len(word) - len(name)]:
            case ">=":
                allowed -= set(range(_version(name)))
            case "<=":
                allowed -= set(everything[_version(name) + 1 :])
            case "!":
                allowed.discard(_version(name))
            case "" if name:
                named.add(_version(name))
            case "":
                continue
            case _:
                raise TlsFailure(f"malformed TLS protocol: {word}")
    allowed &= named or allowed
    if not any(number >= _OLDEST for number in allowed):
        raise TlsFailure(f"no TLS protocol is left by: {text}")
    return frozenset(allowed)


def _version(name: str) -> int:
    for number, version in enumerate(_VERSIONS):
        if name.lower() in (version.lower(), f"{version.lower()}.0"):
            return number
    raise TlsFailure(f"unknown TLS protocol: {name}")


def restrict(
    context: "ssl.SSLContext", *, protocols: str, ciphers: str, options: str, workarounds: str = "", curves: str = ""
) -> None:
    """Hold a context to a protocol list, to an OpenSSL cipher list, to tls_ssl_options, without what tls_disable_workarounds names,
    and to curves (tls_eecdh_auto_curves; as in Postfix, unknown ones are passed over). Raises TlsFailure."""
    import ssl

    if why := openssl_configuration.trouble():
        raise TlsFailure(why)
    allowed = versions(protocols)
    known = dict(zip(range(_OLDEST, len(_VERSIONS)), ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"), strict=True))
    with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):  # Python frowns upon what the old ones are called
        # An old minimum is written as the lowest of all, which a system's own limit (openssl.cnf) does not lift.
        lowest = max(min(allowed), _OLDEST)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED if lowest == _OLDEST else ssl.TLSVersion[known[lowest]]
        context.maximum_version = ssl.TLSVersion[known[max(allowed)]]
        for number in known.keys() - allowed:
            context.options |= getattr(ssl, f"OP_NO_{known[number]}")
    for word in re.split(r"(?a)[\s,:]+", workarounds.strip(SPACE)):
        context.options &= ~_workaround(word)
    for word in re.split(r"(?a)[\s,:]+", options.strip(SPACE)):
        context.options |= _option(word)
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise TlsFailure(f"no TLS cipher is left by: {ciphers}") from None
    openssl.choose_groups(context, (word for word in re.split(r"(?a)[\s,:]+", curves) if word))


_WORKAROUNDS: Final = {
    "CRYPTOPRO_TLSEXT_BUG": 0x80000000,
    "DONT_INSERT_EMPTY_FRAGMENTS": 0x800,
    "LEGACY_SERVER_CONNECT": 0x4,
    "TLSEXT_PADDING": 0x10,
    "SAFARI_ECDHE_ECDSA_BUG": 0x40,
    "MICROSOFT_SESS_ID_BUG": 0,
    "NETSCAPE_CHALLENGE_BUG": 0,
    "NETSCAPE_REUSE_CIPHER_CHANGE_BUG": 0,
    "SSLREF2_REUSE_CERT_TYPE_BUG": 0,
    "MICROSOFT_BIG_SSLV3_BUFFER": 0,
    "MSIE_SSLV2_RSA_PADDING": 0,
    "SSLEAY_080_CLIENT_DH_BUG": 0,
    "TLS_D5_BUG": 0,
    "TLS_BLOCK_PADDING_BUG": 0,
}
"""Names of tls_disable_workarounds, and OpenSSL's bits for them (SSL_OP_... of ssl.h): 0 where OpenSSL has it no more."""


def _workaround(word: str) -> int:
    """The bits of one of tls_disable_workarounds, a name or a hexadecimal number."""
    if word.lower().startswith("0x"):
        return _hexadecimal(word, "tls_disable_workarounds")
    found = _WORKAROUNDS.get(upper(word)) if word else 0
    if found is None:
        raise TlsFailure(f"unknown word in tls_disable_workarounds: {word}")
    return found


def _hexadecimal(word: str, parameter: str) -> int:
    try:
        return int(word, 16)
    except ValueError:
        raise TlsFailure(f"bad number in {parameter}: {word}") from None


def _option(word: str) -> int:
    """The bit of one of tls_ssl_options, a name without `SSL_OP_` or a hexadecimal number."""
    import ssl

    if word.lower().startswith("0x"):
        return _hexadecimal(word, "tls_ssl_options")
    found = getattr(ssl, f"OP_{upper(word)}", None) if word else 0
    if found is None:
        raise TlsFailure(f"unknown word in tls_ssl_options: {word}")
    return int(found)


def identify(context: "ssl.SSLContext", chain_files: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Give a context our certificates: those of `chain_files`, else of `pairs` of certificate and key file, empty ones left out.
    Raises TlsFailure."""
    if files := elements(chain_files):
        for pem in chains(files):
            _load_pem(context, pem, chain_files)
        return
    for certificate, key in pairs:
        if certificate and certificate != "none":
            loaded(lambda c=certificate, k=key: context.load_cert_chain(c, k or None), certificate)  # type: ignore[misc]


def identify_by(context: "ssl.SSLContext", pem: str, whose: str) -> None:
    """Give a context our certificates, from text in PEM; `whose` names them in a TlsFailure, which is raised."""
    for chain in _chains([(whose, pem)]):
        _load_pem(context, chain, whose)


def chains(files: Sequence[str]) -> list[str]:
    """The chains in smtpd_tls_chain_files, each as PEM: a private key and the certificates that follow it, wherever one file ends
    and the next begins. Raises TlsFailure."""
    return _chains((file, _text(file)) for file in files)


def _text(file: str) -> str:
    try:
        return Path(file).read_text("ascii", "replace")
    except OSError as error:
        raise TlsFailure(f"cannot load TLS certificates {file}: {error.strerror}") from error


def _chains(texts: Iterable[tuple[str, str]]) -> list[str]:
    """The chains in some texts, each given with its name. Raises TlsFailure, also where there are none."""
    found: list[str] = []
    name = ""
    for name, text in texts:
        for one in _PEM.finditer(text):
            if one["kind"].endswith("PRIVATE KEY"):
                found.append("")
            elif not found:
                raise TlsFailure(f"cannot load TLS certificates {name}: a private key must come before its certificate")
            found[-1] += one[0] + "\n"
    if not found:
        raise TlsFailure(f"cannot load TLS certificates {name}: there are no keys and certificates")
    return found


def _load_pem(context: "ssl.SSLContext", pem: str, files: str) -> None:
    """Load a chain through a file in memory: the ssl module takes nothing but names of files."""
    descriptor = os.memfd_create("chain", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem.encode())
        loaded(lambda: context.load_cert_chain(f"/proc/self/fd/{descriptor}"), files)
    finally:
        os.close(descriptor)


def loaded(load: Callable[[], object], file: str) -> None:
    """Run a loader of `file`, with its failure in our words. Raises TlsFailure."""
    try:
        load()
    except OSError as error:
        raise TlsFailure(f"cannot load TLS certificates {file}: {error.strerror or error}") from error
