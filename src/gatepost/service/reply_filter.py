"""smtpd_dns_reply_filter, smtp_dns_reply_filter, lmtp_dns_reply_filter: tables that say which records of the DNS do not count."""

from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.ascii_text import upper
from gatepost.net.port import AnswerSource, Resolver, SecureSource
from gatepost.net.reply_filter import FilteredResolver, FilteredTlsa, Keeps


def filtered(source: AnswerSource, maps: Maps, emit: Emit, service: str) -> Resolver:
    """`source` as a service sees it: through the filter that `maps` names, if any. `service`: who tells of dropped records."""
    return source if maps.empty else FilteredResolver(source, _keeper(maps, emit, service))


def filtered_tlsa(source: SecureSource | None, maps: Maps, emit: Emit, service: str) -> SecureSource | None:
    """The same for what DANE asks for."""
    return source if maps.empty or source is None else FilteredTlsa(source, _keeper(maps, emit, service))


def _keeper(maps: Maps, emit: Emit, service: str) -> Keeps:
    async def keeps(record: str) -> bool | None:
        try:
            found = await maps.find(record)
        except LookupFailure:  # the tables have said so in the log
            return None
        if found is None:
            return True
        if upper(found).replace("\t", " ").split(" ")[0] == "IGNORE":
            emit(Note(service, f"ignoring DNS RR: {record}"))
            return False
        emit(Note(service, f'{maps.title}: unknown DNS filter action: "{found}"', "warning"))
        return None

    return keeps
