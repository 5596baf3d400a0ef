"""The parameters that log-ins obey; `service/` fills this from the configuration (no defaults here: config/parameters has them)."""

from msgspec import Struct


class SaslSettings(Struct, frozen=True, kw_only=True):
    """Field names are parameter names (postconf(5))."""

    smtpd_sasl_security_options: tuple[str, ...]
    smtpd_sasl_tls_security_options: tuple[str, ...]
