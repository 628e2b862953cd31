"""The drawings of a report on transfer: where everything lies. How it looks is said in `page_templates`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from frostline.server.heads.interval import Interval
from frostline.server.heads.transfer.report import Growth, Point, TransferReport
from frostline.server.heads.transfer.scales import Scale, apart, line, share_ticks

WIDTH = 880
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 116, 18, 52
_CURVES_HEIGHT, _GAINS_HEIGHT = 430, 270
_LABEL_WIDTH, _LABEL_HEIGHT, _LEAST_ARROW = 46, 18, 24
_DRAW_WIDTH = 1.8  # so far apart are the draws of a point
_AHEAD = 3.0  # so many times the examples there are, the power laws are drawn
_NEUTRAL = 0.01
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Tick:
    """A figure on an axis.

    Attributes:
        at: its place.
        figure: itself.
        more: what stands below it.
    """

    at: float
    figure: float
    more: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a drawing stands in.

    Attributes:
        height: of the whole; the width is `WIDTH`.
        left: edge of the plot, in pixels, as the other three are.
        right: likewise.
        top: likewise.
        bottom: likewise.
        x_ticks: numbers of examples.
        y_ticks: shares.
    """

    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A measured figure.

    Attributes:
        x: its place.
        y: its place.
        low: where its interval begins, in pixels from the top.
        high: where it ends.
        point: what was measured.
        figure: with its interval.
    """

    x: float
    y: float
    low: float
    high: float
    point: Point
    figure: Interval


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve.

    Attributes:
        kind: `head` or `scratch`.
        path: of the line.
        band: the path around the intervals.
        marks: the points.
        draws: places of the accuracy in each draw.
        ahead: the path of its power law beyond what was measured; empty where there is none.
        end_y: where it ends, at the right.
    """

    kind: str
    path: str
    band: str
    marks: tuple[Mark, ...]
    draws: tuple[tuple[float, float], ...]
    ahead: str
    end_y: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """From the examples that one needs to those the other does.

    Attributes:
        start: where scratch gets there.
        end: where the head does.
        y: both.
    """

    start: float
    end: float
    y: float


@dataclass(frozen=True, slots=True)
class Curves:
    """Accuracy by examples.

    Attributes:
        frame: around it.
        curves: scratch, then the head above it.
        names_y: where their names stand.
        saving: how many labels are saved; None where that is too short to be drawn.
        crossover: where the curves cross; None where they do not.
    """

    frame: Frame
    curves: tuple[Curve, Curve]
    names_y: tuple[float, float]
    saving: Arrow | None
    crossover: float | None


@dataclass(frozen=True, slots=True)
class Gains:
    """What the head gains, point by point.

    Attributes:
        frame: around it.
        marks: the differences.
        zero: where both are alike.
        alike: from where to where the difference counts as none.
    """

    frame: Frame
    marks: tuple[Mark, ...]
    zero: float
    alike: tuple[float, float]


def curves(report: TransferReport) -> Curves:
    """Draws the learning curves."""
    points = report.points
    figures = [figure for each in points for figure in (each.head, each.scratch)]
    draws = [share for each in points for share in (*each.head_draws, *each.scratch_draws)]
    is_ahead = report.head_growth or report.scratch_growth
    x = _examples_scale(points, _AHEAD if is_ahead else 1.0)
    frame, y = _framed(points, _CURVES_HEIGHT, x, [*_ends(figures), *draws], most=1.0)
    both = _curve("scratch", report, x, y), _curve("head", report, x, y)
    saving = report.label_saving
    arrow = Arrow(x(saving.scratch_examples), x(saving.head_examples), y(saving.accuracy))
    return Curves(
        frame=frame,
        curves=both,
        names_y=apart(both[0].end_y, both[1].end_y, _LABEL_HEIGHT),
        saving=arrow if abs(arrow.end - arrow.start) >= _LEAST_ARROW else None,
        crossover=None if report.crossover is None else x(report.crossover),
    )


def gains(report: TransferReport) -> Gains:
    """Draws the differences."""
    differences = [each.difference for each in report.points]
    x = _examples_scale(report.points, 1.0)
    frame, y = _framed(report.points, _GAINS_HEIGHT, x, [*_ends(differences), -_NEUTRAL, _NEUTRAL])
    return Gains(frame, _marks(report.points, differences, x, y), y(0), (y(_NEUTRAL), y(-_NEUTRAL)))


def _examples_scale(points: Sequence[Point], times: float) -> Scale:
    fewest, most = points[0].examples, times * points[-1].examples
    return Scale(fewest, max(most, 1.5 * fewest), _LEFT + 14, WIDTH - _RIGHT, logarithmic=True)


def _framed(
    points: Sequence[Point], height: int, x: Scale, shares: Sequence[float], most: float = np.inf
) -> tuple[Frame, Scale]:
    ticks = share_ticks(min(shares), min(max(shares), most))
    y = Scale(ticks[0], ticks[-1], height - _BOTTOM, _TOP)
    return Frame(
        height=height,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=_TOP,
        bottom=height - _BOTTOM,
        x_ticks=_example_ticks(points, x),
        y_ticks=tuple(Tick(y(each), each) for each in ticks),
    ), y


def _example_ticks(points: Sequence[Point], x: Scale) -> tuple[Tick, ...]:
    """The numbers of examples, those left out that would stand in another: the last and the first are kept."""
    shown: list[Tick] = []
    for point in reversed(points):
        shots = "all" if point.everything else f"{point.shots:,}"
        tick = Tick(x(point.examples), point.examples, shots)
        if not shown or shown[-1].at - tick.at >= _LABEL_WIDTH:
            shown.append(tick)
    return tuple(reversed(shown))


def _ends(figures: Iterable[Interval]) -> list[float]:
    return [end for each in figures for end in (each.low, each.high, each.value)]


def _marks(points: Sequence[Point], figures: Sequence[Interval], x: Scale, y: Scale) -> tuple[Mark, ...]:
    return tuple(
        Mark(x(point.examples), y(figure.value), y(figure.low), y(figure.high), point, figure)
        for point, figure in zip(points, figures, strict=True)
    )


def _curve(kind: str, report: TransferReport, x: Scale, y: Scale) -> Curve:
    is_head = kind == "head"
    points, growth = report.points, report.head_growth if is_head else report.scratch_growth
    marks = _marks(points, [each.head if is_head else each.scratch for each in points], x, y)
    around = [(each.x, each.low) for each in marks] + [(each.x, each.high) for each in reversed(marks)]
    ahead = _ahead(growth, points[-1].examples, marks[-1], x, y) if growth else []
    return Curve(
        kind=kind,
        path=line([(each.x, each.y) for each in marks]),
        band=line(around) + "Z",
        marks=marks,
        draws=tuple(_draws(is_head, points, x, y)),
        ahead=line(ahead) if ahead else "",
        end_y=ahead[-1][1] if ahead else marks[-1].y,
    )


def _draws(is_head: bool, points: Sequence[Point], x: Scale, y: Scale) -> Iterator[tuple[float, float]]:
    for point in points:
        shares = point.head_draws if is_head else point.scratch_draws
        for place, share in enumerate(() if point.everything else shares):
            yield round(x(point.examples) + _DRAW_WIDTH * (place - (len(shares) - 1) / 2), 1), y(share)


def _ahead(growth: Growth, examples: int, last: Mark, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """The power law from the last point on, moved so that it begins there."""
    further = np.geomspace(examples, _AHEAD * examples, 12)
    shares = growth.asymptote.value - growth.b * further**-growth.c
    shares += last.figure.value - shares[0]
    return [(x(n), y(min(share, y.high))) for n, share in zip(further.tolist(), shares.tolist(), strict=True)]
