"""TLS to the servers of tables, by the parameters that mysql_table(5) has for it: tls_CAfile, tls_CApath, tls_cert_file,
tls_key_file, tls_ciphers."""

import os.path
import ssl
from collections.abc import Mapping
from typing import Final

from gatepost.lookup.server_parameters import TableParameters

_FILES: Final = ("tls_CAfile", "tls_CApath", "tls_cert_file", "tls_key_file")


def client_context(
    parameters: TableParameters, defaults: Mapping[str, str] | None = None, *, verify: bool, verify_name: bool
) -> ssl.SSLContext:
    """`defaults`: values of what is not set; `verify`: whether the server's certificate is verified, by the system's authorities
    where no others are named; `verify_name`: its name, too. Raises Unavailable."""
    usual = defaults or {}
    found = {name: parameters.text(name) or usual.get(name, "") for name in (*_FILES, "tls_ciphers")}
    for name in _FILES:
        if found[name] and not os.path.exists(found[name]):
            raise parameters.wrong(name, f"open {found[name]}: No such file or directory")
    try:
        context = ssl.create_default_context(cafile=found["tls_CAfile"] or None, capath=found["tls_CApath"] or None)
        context.check_hostname = verify_name
        if not verify:
            context.verify_mode = ssl.CERT_NONE
        if found["tls_cert_file"]:
            context.load_cert_chain(found["tls_cert_file"], found["tls_key_file"] or None)
        if found["tls_ciphers"]:
            context.set_ciphers(found["tls_ciphers"])
    except (OSError, ssl.SSLError) as error:
        blamed = next((name for name in found if found[name]), "tls_CAfile")
        raise parameters.wrong(blamed, f"TLS cannot be set up: {error}") from None
    return context
