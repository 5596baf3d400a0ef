"""qmqpd services of master.cf: who may hand in mail by QMQP, and its way into the queue, with the parameters of that line."""

import asyncio

from gatepost.config.master import ServiceEntry
from gatepost.events.records import Note
from gatepost.lookup.match_list import MatchList
from gatepost.net.tls import ServerTls
from gatepost.net.tls_parameters import TlsFailure
from gatepost.proto.qmqp import Verdict, reply
from gatepost.receive.qmqpd import QmqpdSettings, QmqpPorts, QmqpSession
from gatepost.receive.session_limit import SessionLimit
from gatepost.receive.stream_service import StreamService
from gatepost.service.materials import Materials
from gatepost.service.ways import WayIn

_PARAMETER = "qmqpd_authorized_clients"


def open_service(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tls: ServerTls | TlsFailure | None, limit: SessionLimit
) -> StreamService:
    """The service of one qmqpd line. Raises ConfigurationError."""
    configuration, overrides = materials.configuration, entry.overrides
    emit = materials.emitter(entry)
    tables = materials.tables("qmqpd", emit, entry.overrides)
    settings = configuration.view(QmqpdSettings, overrides)
    authorized = MatchList.hosts(configuration.value(_PARAMETER, overrides), tables, _PARAMETER, tables.warn)
    ports = QmqpPorts(
        authorized=authorized.matches,
        admission=way_in.admission(overrides),
        new_id=way_in.new_id,
        resolver=materials.resolver,
        emit=emit,
        clock=materials.clock,
        pause=asyncio.sleep,
        fault=materials.fault,
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await QmqpSession(settings, ports, reader, writer).run()

    def turned_away(address: str) -> None:
        emit(Note("qmqpd", f"connection from {address} refused: all ports busy", "warning"))

    return StreamService(serve, limit, turned_away, reply(Verdict.LATER, "Error: all server ports busy"))
