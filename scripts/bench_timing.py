"""Calls measured in turns: what disturbs the machine disturbs all of them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

MIN_SAMPLE_S = 0.01  # a shorter call is repeated within its turn


def interleaved(
    calls: Mapping[str, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Milliseconds a call, the median over the rounds; the calls take turns, round by round, after two each to warm up.

    Args:
      calls: each ends when its result is there.
      repeats: rounds.
      clock: seconds; CPU time by default.
    """
    once = {name: max(_taken(call, 1, clock, warm=True), 1e-7) for name, call in calls.items()}
    counts = {name: max(1, round(MIN_SAMPLE_S / taken)) for name, taken in once.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            samples[name].append(_taken(call, counts[name], clock))
    return {name: median(taken) * 1e3 for name, taken in samples.items()}


def _taken(call: Callable[[], Any], count: int, clock: Callable[[], float], *, warm: bool = False) -> float:
    """Seconds a call."""
    if warm:
        call()
        call()
    started = clock()
    for _ in range(count):
        call()
    return (clock() - started) / count
