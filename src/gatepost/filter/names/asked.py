"""Questions as they are gathered: each name and type once, whatever number of rules asks it, and no more than a number of them."""

from collections.abc import Iterable

from gatepost.filter.names.hosts import question_name
from gatepost.filter.names.questions import Question, Then, Want
from gatepost.filter.names.restriction import Restriction


class Asked:
    """Those of one message.

    most: questions that are kept.
    restriction: what may be asked.
    left_out: names that there was no room for.
    """

    def __init__(self, most: int, restriction: Restriction) -> None:
        self.left_out = 0
        self._most = most
        self._restriction = restriction
        self._wants: dict[tuple[str, str], dict[Want, None]] = {}
        self._then: dict[tuple[str, str], dict[Then, None]] = {}

    def add(self, name: str, record: str, wants: Iterable[Want] = (), then: Iterable[Then] = ()) -> None:
        """Ask for a name; one that cannot or must not be asked for is passed over."""
        made = question_name(name)
        if made is None or not self._restriction.allows(made):
            return
        key = (made, record)
        if key not in self._wants:
            if len(self._wants) >= self._most:
                self.left_out += 1
                return
            self._wants[key], self._then[key] = {}, {}
        self._wants[key].update(dict.fromkeys(wants))
        self._then[key].update(dict.fromkeys(then))

    def questions(self) -> tuple[Question, ...]:
        """All of them, in the order in which they were asked first."""
        return tuple(Question(*key, tuple(wants), tuple(self._then[key])) for key, wants in self._wants.items())
