"""Curves in a terminal: a few lines of characters, with logarithmic steps to the right."""

import math
from collections.abc import Mapping, Sequence

from rich.text import Text

_HEIGHT = 11
_MOST_COLUMNS = 64
_AXIS = 7  # columns of the figures at the left
_LEGEND = 4


def drawn(
    places: Sequence[int], curves: Mapping[str, Sequence[float]], styles: Mapping[str, tuple[str, str]], columns: int
) -> Text:
    """Draws curves of shares.

    Args:
        places: where they are known, at least one, ascending, above 0.
        curves: by name, a share for each place. Where two meet, the one that is named first is seen.
        styles: for each name its character and its color.
        columns: of the terminal.

    Returns:
        Lines of text, their axes included.
    """
    width = max(min(columns - _AXIS - 2, _MOST_COLUMNS), 2)
    shares = [share for curve in curves.values() for share in curve]
    low, high = math.floor(10 * min(shares)) / 10, max(math.ceil(10 * max(shares)) / 10, min(shares) + 0.1)
    grid = [[Text(" ") for _ in range(width)] for _ in range(_HEIGHT)]
    at = [_column(place, places, width) for place in places]
    for name in reversed(list(curves)):
        curve, (mark, color) = curves[name], styles[name]
        heights = [(high - share) / (high - low) * (_HEIGHT - 1) for share in curve]
        for column in range(width):
            grid[round(_between(column, at, heights))][column] = Text("\N{MIDDLE DOT}", color)
        for column, height in zip(at, heights, strict=True):
            grid[round(height)][column] = Text(mark, f"bold {color}")
    figures = {0: high, (_HEIGHT - 1) // 2: (low + high) / 2, _HEIGHT - 1: low}
    lines = [
        Text(f"{f'{100 * figures[row]:.0f} %' if row in figures else '':>{_AXIS}} │", "dim") + Text("").join(cells)
        for row, cells in enumerate(grid)
    ]
    lines += [
        Text(f"{'':{_AXIS}} └{'─' * width}", "dim"),
        Text(f"{'':{_AXIS + 2}}{_figures(places, at, width)}", "dim"),
    ]
    legend = (" " * _LEGEND).join(f"{styles[name][0]} {name}" for name in curves)
    return Text("\n").join([*lines, Text(f"{'':{_AXIS + 2}}{legend}")])


def _column(place: int, places: Sequence[int], width: int) -> int:
    if places[-1] == places[0]:
        return 0
    return round(math.log(place / places[0]) / math.log(places[-1] / places[0]) * (width - 1))


def _between(column: int, at: Sequence[int], heights: Sequence[float]) -> float:
    """The height of a curve between two of its places."""
    after = next((place for place, known in enumerate(at) if known >= column), len(at) - 1)
    before = max(after - 1, 0)
    if at[after] <= column or at[after] == at[before]:
        return heights[after]
    share = (column - at[before]) / (at[after] - at[before])
    return heights[before] + share * (heights[after] - heights[before])


def _figures(places: Sequence[int], at: Sequence[int], width: int) -> str:
    """The places below their columns, as many as have room, the last one always."""
    line = [" "] * width
    for place, column in reversed(list(zip(places, at, strict=True))):
        text = f"{place:,}"
        start = max(0, min(column - len(text) // 2, width - len(text)))
        around = line[max(0, start - 1) : start + len(text) + 1]
        if all(character == " " for character in around):
            line[start : start + len(text)] = text
    return "".join(line).rstrip()
