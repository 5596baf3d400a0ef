"""Parameters of TLS of postscreen(8) that Postfix 3.12 has: for each of the SMTP server's one, whose value is the default."""

from gatepost.config.parameters import smtpd_tls
from gatepost.config.parameters.row import Parameter

_NAMES = frozenset((
    "starttls_timeout", "tls_CAfile", "tls_CApath", "tls_always_issue_session_ids", "tls_ask_ccert", "tls_ccert_verifydepth",
    "tls_cert_file", "tls_chain_files", "tls_ciphers", "tls_dcert_file", "tls_dh1024_param_file", "tls_dh512_param_file",
    "tls_dkey_file", "tls_eccert_file", "tls_eckey_file", "tls_eecdh_grade", "tls_enable_rpk", "tls_exclude_ciphers",
    "tls_fingerprint_digest", "tls_key_file", "tls_loglevel", "tls_loglevel_maps", "tls_mandatory_ciphers",
    "tls_mandatory_exclude_ciphers", "tls_mandatory_protocols", "tls_protocols", "tls_req_ccert", "tls_trace_size_limit",
))  # fmt: skip


def _row(of_smtpd: Parameter) -> Parameter:
    """The same kind of value; what has no meaning there has none here."""
    name = of_smtpd.name.removeprefix("smtpd_")
    doc = f"What {of_smtpd.name} says, for postscreen."
    return of_smtpd._replace(name=f"postscreen_{name}", default=f"${of_smtpd.name}", doc=doc, since="3.12")


ROWS: tuple[Parameter, ...] = tuple(_row(row) for row in smtpd_tls.ROWS if row.name.removeprefix("smtpd_") in _NAMES)
