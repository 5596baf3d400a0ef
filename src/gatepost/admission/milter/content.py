"""The message as a filter is told it: headers, the end of the headers, the body, the end of the message (MILTER_README)."""

from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.admission.milter.macros import Macros
from gatepost.admission.port import ReadableDraft, View
from gatepost.net.turns import Turns
from gatepost.proto.exchange import Exchange
from gatepost.proto.milter import commands
from gatepost.proto.milter.answers import CONTINUES, Answer, Verdict
from gatepost.proto.milter.conversation import Ask, Conversation, Edits

Put = Callable[[Exchange[Answer]], Awaitable[Answer]]
Send = Callable[[], Awaitable[None]]

_ON: Final = frozenset((Verdict.CONTINUE, Verdict.SKIP))


class Telling:
    """Tells one filter of one message. `put`: asks it something; `send`: sends what has gathered without a question. `ended`: it
    was told the whole message, and said what it thinks of it."""

    def __init__(self, conversation: Conversation, macros: Macros, put: Put, send: Send) -> None:
        self._conversation = conversation
        self._macros = macros
        self._put = put
        self._send = send
        self.ended = False

    async def whole(self, view: View, draft: ReadableDraft, own: int, edits: Edits) -> Answer:
        """The verdict: the first that is not to go on, else that on the end of the message. `own`: the number of the header that is
        ours and is not told, -1 for none. Raises StreamFailure, OSError."""
        for part in (self._headers, self._end_of_headers, self._body):
            answer = await part(view, draft, own)
            if answer.verdict not in _ON:
                return answer
        macros = await self._values(commands.END_OF_MESSAGE, view)
        answer = await self._put(self._conversation.end_of_message(macros, edits))
        self.ended = True
        return answer

    async def _headers(self, view: View, draft: ReadableDraft, own: int) -> Answer:
        if not self._conversation.wants(commands.HEADER):
            return CONTINUES
        macros = commands.macros(commands.HEADER, await self._values(commands.END_OF_HEADERS, view))
        turns = Turns()
        for at, header in enumerate(draft.headers):
            if at != own:
                answer = await self._answer(self._conversation.header(header.raw, macros))
                if answer is not CONTINUES and answer.verdict is not Verdict.CONTINUE:
                    return answer
            if turns.over():
                await turns.rest()
        return CONTINUES

    async def _end_of_headers(self, view: View, draft: ReadableDraft, own: int) -> Answer:
        conversation, command = self._conversation, commands.END_OF_HEADERS
        if not conversation.wants(command):
            return CONTINUES
        macros = await self._values(command, view)
        return await self._answer(conversation.step(command, commands.END_OF_HEADERS_PACKET, macros))

    async def _body(self, view: View, draft: ReadableDraft, own: int) -> Answer:
        if not self._conversation.wants(commands.BODY):
            return CONTINUES
        turns, macros = Turns(), await self._values(commands.END_OF_MESSAGE, view)
        for packet in commands.body(draft.body()):
            answer = await self._answer(self._conversation.step(commands.BODY, packet, macros))
            if answer is not CONTINUES and answer.verdict is not Verdict.CONTINUE:
                return answer
            if turns.over():
                await turns.rest()
        return CONTINUES

    async def _answer(self, ask: Ask | None) -> Answer:
        """What it says, where it says anything."""
        if ask is not None:
            return await self._put(ask)
        if self._conversation.held:
            await self._send()
        return CONTINUES

    async def _values(self, command: int, view: View) -> dict[str, str]:
        names = self._conversation.macro_names(command, self._macros.configured[command])
        return await self._macros.values(names, view)
