"""The learner is taught. The order of what it learns together should be a random one: kind after kind ruins it."""

from collections.abc import Iterable
from pathlib import Path

from gatepost.filter.learner.known import Known, known
from gatepost.filter.learner.lesson import Lesson
from gatepost.filter.learner.store import Learner, learner
from gatepost.filter.teaching import Taught, total


def teach(folder: Path, lessons: Iterable[tuple[Lesson, bool]]) -> Taught:
    """Learn from messages, each with whether it is spam. Raises OSError."""
    with learner(folder) as learning, known(folder) as messages:
        taught = total(_teach(learning, messages, lesson, spam) for lesson, spam in lessons)
        learning.commit()
    return taught


def _teach(learning: Learner, messages: Known, lesson: Lesson, spam: bool) -> Taught:
    before = messages.get(lesson.message)
    if before is spam:
        return Taught(known=1)
    if before is not None:
        learning.count(ham=-(not before), spam=-before)
    learning.learn(lesson.slots, spam=spam)
    messages.put(lesson.message, spam)
    return Taught(learned=1) if before is None else Taught(changed=1)


def forget(folder: Path, lessons: Iterable[Lesson]) -> int:
    """Count messages as never taught; how many were. What their features weigh stays as it is: that moved with all that was learned
    since. Raises OSError."""
    forgotten = 0
    with learner(folder) as learning, known(folder) as messages:
        for lesson in lessons:
            before = messages.get(lesson.message)
            if before is not None:
                learning.count(ham=-(not before), spam=-before)
                messages.put(lesson.message, None)
                forgotten += 1
        learning.commit()
    return forgotten
