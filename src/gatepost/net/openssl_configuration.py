"""The configuration of OpenSSL itself (openssl.cnf(5)), which sets what nobody else does: tls_config_file and tls_config_name.

It is of the whole process and must be read before contexts are made, while root's files can be read. Where it cannot be used there
is no TLS: what it was to forbid would be allowed.
"""

import ctypes
import os
from typing import Final

from msgspec import Struct

from gatepost.net import openssl


class OpensslSettings(Struct, frozen=True):
    """`tls_config_file`: a file, or `default` or `none`; `tls_config_name`: what names its first section,
    where that is not openssl_conf."""

    tls_config_file: str
    tls_config_name: str


_DEFAULT: Final = "default"
_NONE: Final = "none"
_USUAL_ELSE: Final = 0x20  # CONF_MFLAGS_DEFAULT_SECTION of conf.h: openssl_conf, where the name is not there
_trouble: list[str] = []
"""Why the configuration of this process cannot be used; empty where it can."""


def configure(settings: OpensslSettings) -> str:
    """Have this process work by these settings; returns why it cannot, after which there is no TLS in it, else an empty text."""
    _trouble[:] = filter(None, [_configured(settings)])
    return trouble()


def trouble() -> str:
    """What `configure` found."""
    return _trouble[0] if _trouble else ""


def _configured(settings: OpensslSettings) -> str:
    file, name = settings.tls_config_file, settings.tls_config_name
    if file == _DEFAULT and not name:
        return ""  # which OpenSSL reads by itself
    if file not in (_DEFAULT, _NONE) and not os.path.isabs(file):
        return f"tls_config_file: {file} is no absolute path, nor default or none"
    functions = openssl.library()
    if functions is None:
        return f"tls_config_file: {openssl.why_not()}"
    functions.CONF_modules_finish()
    if file == _NONE:
        return ""
    if file != _DEFAULT and (why := _unreadable(file)):
        return f"tls_config_file: cannot read {file}: {why}"
    load = functions.CONF_modules_load_file
    load.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong)
    loaded = load(None if file == _DEFAULT else os.fsencode(file), name.encode() or None, _USUAL_ELSE)
    functions.ERR_clear_error()
    if loaded <= 0:
        return f"tls_config_file: OpenSSL does not understand {file}" + (f", {name}" if name else "")
    return ""


def _unreadable(file: str) -> str:
    try:
        with open(file, "rb"):
            return ""
    except OSError as error:
        return error.strerror or "error"
