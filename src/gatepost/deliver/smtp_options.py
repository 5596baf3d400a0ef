"""What the settings of an SMTP or LMTP client mean to each of its parts."""

import sys
from functools import partial

from gatepost.deliver.handover import HandoverOptions
from gatepost.deliver.plan import HostPreferences
from gatepost.deliver.pool import CacheOptions
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.lookup.at_once import find_at_once
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.ascii_text import elements
from gatepost.proto.smtp.client import ClientStage, Dialect
from gatepost.proto.smtp.reply_reader import MalformedReply


def dialect_of(settings: SmtpSettings, reply_filter: Maps | None = None) -> Dialect:
    """How the client talks. `reply_filter`: smtp_reply_filter."""
    ehlo = "never" if settings.smtp_never_send_ehlo else "always" if settings.smtp_always_send_ehlo else "offered"
    edit = None if reply_filter is None or reply_filter.empty else partial(_edited, reply_filter)
    return Dialect(settings.smtp_helo_name, settings.lmtp, ehlo, discarded(settings.smtp_discard_ehlo_keywords), edit)


def _edited(maps: Maps, line: bytes) -> bytes:
    """What to read in place of a line of a reply. Raises MalformedReply where a table cannot answer, which the log tells of: nobody
    knows what was said."""
    try:
        found = find_at_once(maps, line.decode("utf-8", "surrogateescape"))
    except LookupFailure as failure:
        raise MalformedReply("smtp_reply_filter cannot answer") from failure
    return line if found is None else found.encode("utf-8", "surrogateescape")


def discarded(keywords: str) -> frozenset[str]:
    """The EHLO keywords that smtp_discard_ehlo_keywords, or one of its tables, names; to be silent about it is our way anyhow."""
    return frozenset(elements(keywords.lower())) - {"silent-discard"}


def limits_of(settings: SmtpSettings) -> tuple[float, ...]:
    """Seconds to wait, by ClientStage."""
    limits = {
        ClientStage.GREETING: settings.smtp_helo_timeout,
        ClientStage.HELLO: settings.smtp_helo_timeout,
        ClientStage.HELO: settings.smtp_helo_timeout,
        ClientStage.STARTTLS: settings.smtp_starttls_timeout,
        ClientStage.AUTH: settings.smtp_helo_timeout,
        ClientStage.XFORWARD_NAME: settings.smtp_xforward_timeout,
        ClientStage.XFORWARD_HELO: settings.smtp_xforward_timeout,
        ClientStage.MAIL: settings.smtp_mail_timeout,
        ClientStage.RCPT: settings.smtp_rcpt_timeout,
        ClientStage.DATA: settings.smtp_data_init_timeout,
        ClientStage.CONTENT: settings.smtp_data_xfer_timeout,
        ClientStage.DOT: settings.smtp_data_done_timeout,
        ClientStage.RSET: settings.smtp_rset_timeout,
        ClientStage.QUIT: settings.smtp_quit_timeout,
        ClientStage.IDLE: settings.smtp_connection_cache_time_limit,
    }
    return tuple(limits[stage] for stage in ClientStage)


def asks_dns(settings: SmtpSettings) -> bool:
    """Whether the DNS is asked at all: smtp_dns_support_level, which overrides the older disable_dns_lookups."""
    if settings.smtp_dns_support_level:
        return settings.smtp_dns_support_level != "disabled"
    return not settings.disable_dns_lookups


def handover_options(settings: SmtpSettings) -> HandoverOptions:
    """How messages are handed over."""
    return HandoverOptions(
        quote=settings.smtp_quote_rfc821_envelope,
        line_limit=settings.smtp_line_length_limit,
        forward=settings.smtp_send_xforward_command,
        dummy_auth=settings.smtp_send_dummy_mail_auth,
        decides=ClientStage[settings.smtp_address_verify_target.upper()],
        convert=not settings.disable_mime_output_conversion,
        requiretls=settings.requiretls_enable,
    )


def host_preferences(settings: SmtpSettings, own: frozenset[str]) -> HostPreferences:
    """Which hosts are tried."""
    protocols = elements(settings.inet_protocols.lower())
    families = tuple(family for family in (4, 6) if f"ipv{family}" in protocols or "all" in protocols)
    return HostPreferences(
        myhostname=settings.myhostname,
        families=families or (4, 6),
        prefer=settings.smtp_address_preference,
        balance=settings.smtp_balance_inet_protocols,
        address_limit=settings.smtp_mx_address_limit,
        session_limit=settings.smtp_mx_session_limit or sys.maxsize,
        ignore_mx_error=settings.ignore_mx_lookup_error,
        ignore_srv_error=settings.ignore_srv_lookup_error,
        srv_fallback=settings.allow_srv_lookup_fallback,
        defer_no_address=settings.smtp_defer_if_no_mx_address_found,
        own=own,
        loop_port=0 if settings.lmtp else 25,
    )


def cache_options(settings: SmtpSettings) -> CacheOptions:
    """Which connections are kept."""
    return CacheOptions(
        on_demand=settings.smtp_connection_cache_on_demand,
        sites=frozenset(elements(settings.smtp_connection_cache_destinations)),
        idle=min(settings.smtp_connection_cache_time_limit, settings.connection_cache_ttl_limit),
        uses=settings.smtp_connection_reuse_count_limit,
        age=settings.smtp_connection_reuse_time_limit,
    )
