"""How far long work is, told while it goes on."""

from collections.abc import Callable

Report = Callable[[str, float], None]
"""Told what is being done, and how much of it is done, of 1."""


def part_of(report: Report, begin: float, end: float) -> Report:
    """For a part of the work: where the whole is `begin` done when the part begins, and `end` when it is done."""
    return lambda step, done: report(step, begin + (end - begin) * done)
