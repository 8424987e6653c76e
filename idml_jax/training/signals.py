"""A request to stop, which a training looks for between two steps."""

import contextlib
import signal
import threading
import types
from collections.abc import Iterator

WATCHED = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what a queue sends before it kills."""


class StopRequest:
    """The signal that asked to stop; 0 as long as none has."""

    signal: int = 0


@contextlib.contextmanager
def watched() -> Iterator[StopRequest]:
    """Within it the first signal is a request, and the second does what it did before.

    Outside of the main thread, where Python takes no handlers, nothing is watched.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {each: signal.getsignal(each) for each in WATCHED}

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    def ask(number: int, _: types.FrameType | None) -> None:
        request.signal = number
        restore()

    for each in WATCHED:
        signal.signal(each, ask)
    try:
        yield request
    finally:
        restore()
