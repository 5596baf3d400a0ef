"""Parameters of TLS of postscreen(8) that Postfix 3.12 has: for each of the SMTP server's one, whose value is the default."""

from gatepost.config.parameters.row import BOOLEAN, MAPS, NOT_YET, SIZE, STRING, Parameter, ValueKind

_KINDS: dict[str, ValueKind] = {
    "CAfile": STRING,
    "CApath": STRING,
    "always_issue_session_ids": BOOLEAN,
    "ask_ccert": BOOLEAN,
    "ccert_verifydepth": STRING,
    "cert_file": STRING,
    "chain_files": STRING,
    "ciphers": STRING,
    "dcert_file": STRING,
    "dh1024_param_file": STRING,
    "dh512_param_file": STRING,
    "dkey_file": STRING,
    "eccert_file": STRING,
    "eckey_file": STRING,
    "eecdh_grade": STRING,
    "enable_rpk": BOOLEAN,
    "exclude_ciphers": STRING,
    "fingerprint_digest": STRING,
    "key_file": STRING,
    "loglevel": STRING,
    "loglevel_maps": MAPS,
    "mandatory_ciphers": STRING,
    "mandatory_exclude_ciphers": STRING,
    "mandatory_protocols": STRING,
    "protocols": STRING,
    "req_ccert": BOOLEAN,
    "trace_size_limit": SIZE,
}


def _row(name: str, kind: ValueKind) -> Parameter:
    return Parameter(
        f"postscreen_{name}", kind, f"$smtpd_{name}", f"What smtpd_{name} says, for postscreen.", NOT_YET, since="3.12"
    )


ROWS: tuple[Parameter, ...] = (
    _row("starttls_timeout", ValueKind.TIME),
    *(_row(f"tls_{name}", kind) for name, kind in _KINDS.items()),
)
