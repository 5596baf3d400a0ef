"""Many at once: threads that do the same thing until they are told to stop."""

import threading
from collections.abc import Callable
from typing import Self


class Crowd:
    """`run(number)` is what each of `size` threads does; it looks at `over` from time to time."""

    def __init__(self, run: Callable[[int], None], size: int) -> None:
        self.over = threading.Event()
        self._threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(size)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(30)
