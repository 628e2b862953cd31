"""From figures to places on a drawing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_MOST_TICKS = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """Where figures lie on an axis.

    Attributes:
        low: the figure at `start`.
        high: the figure at `end`, above `low`.
        start: in pixels.
        end: in pixels; below `start` where the axis goes up.
        logarithmic: whether equal ratios take equal room; figures are above 0 then.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, figure: float) -> float:
        """The place of a figure, in pixels to a tenth."""
        low, high, value = (math.log(each) if self.logarithmic else each for each in (self.low, self.high, figure))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)


def share_ticks(low: float, high: float) -> list[float]:
    """Round figures that hold two shares between them, eight at most.

    Args:
        low: the lower share.
        high: the higher one.
    """
    step = next((each for each in _STEPS if (high - low) / each <= _MOST_TICKS - 2), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(each * step, 4) for each in range(first, max(last, first + 1) + 1)]


def line(places: Sequence[tuple[float, float]]) -> str:
    """The path of a line through places."""
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in places)


def apart(first: float, second: float, least: float) -> tuple[float, float]:
    """Moves two places away from each other, as far as they are closer than `least` pixels."""
    shift = max(0.0, least - abs(first - second)) / 2 * (1 if first <= second else -1)
    return round(first - shift, 1), round(second + shift, 1)
