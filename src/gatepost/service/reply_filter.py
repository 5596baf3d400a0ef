"""smtpd_dns_reply_filter, smtp_dns_reply_filter, lmtp_dns_reply_filter: tables that say which records of the DNS do not count."""

from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.ascii_text import upper
from gatepost.net.port import AnswerSource, Resolver
from gatepost.net.reply_filter import FilteredResolver


def filtered(source: AnswerSource, maps: Maps, emit: Emit, service: str) -> Resolver:
    """`source` as a service sees it: through the filter that `maps` names, if any. `service`: who tells of dropped records."""
    if maps.empty:
        return source

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

    return FilteredResolver(source, keeps)
