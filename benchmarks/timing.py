"""Wall times of several ways to do the same work, taken in turn."""

import statistics
import time
from collections.abc import Callable, Mapping


def median_seconds(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median wall time of each way, after one call of each that is not timed.

    The ways take turns, so that whatever else the machine does falls on all of them; by the clock
    `time.process_time` it counts as little as can be.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, call in ways.items():
            began = clock()
            call()
            if number:
                times[name].append(clock() - began)
    return {name: statistics.median(taken) for name, taken in times.items()}


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table that a README takes as it is."""
    for row in (head, ("---",) * len(head), *rows):
        print("| " + " | ".join(row) + " |")
