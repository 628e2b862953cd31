"""The report on transfer as one HTML page: nothing is loaded from elsewhere and nothing runs, light and dark."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from frostline.server.heads.interval import Interval
from frostline.server.heads.transfer import plots
from frostline.server.heads.transfer.report import LabelSaving, TransferReport

_LEAST_P = 0.001


def html(report: TransferReport) -> str:
    """Writes the page."""
    return _PAGES.get_template("report.html").render(
        report=report,
        encoder=report.encoder or "these vectors",
        curves=plots.curves(report),
        gains=plots.gains(report),
        last=report.points[-1],
        width=plots.WIDTH,
        significant=plots.SIGNIFICANT,
    )


def percent(share: float) -> str:
    """A share: `87.5 %`."""
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of shares: `+12.4`, in percentage points."""
    return _signed(f"{100 * share:+.1f}")


def percent_tick(share: float) -> str:
    """A share on an axis: `85 %`."""
    return f"{100 * share:g} %"


def points_tick(share: float) -> str:
    """A difference on an axis: `+10`."""
    return _signed(f"{100 * share:+g}")


def percents_between(figure: Interval) -> str:
    """The interval of a share: `86.1 to 88.9`, in percent."""
    return f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def points_between(figure: Interval) -> str:
    """The interval of a difference: `+11.0 to +13.8`."""
    return f"{points(figure.low)} to {points(figure.high)}"


def p_value(value: float) -> str:
    """A p-value: `0.013`, `< 0.001`."""
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"


def count(number: float) -> str:
    """How many there are: `10,003`."""
    return f"{round(number):,}"


def fewer(saving: LabelSaving) -> str:
    """How many times fewer labels the head takes: `7.25x fewer`, `at least 3x more`, with the sign for times."""
    factor, word = saving.factor.value, "fewer"
    at_least, at_most = saving.at_least, saving.at_most
    if factor < 1:
        factor, word = 1 / factor, "more"
        at_least, at_most = at_most, at_least
    bound = "at least " * at_least or "at most " * at_most
    return f"{bound}{factor:.3g}\N{MULTIPLICATION SIGN} {word}"


def duration(seconds: float) -> str:
    """How long something takes: `0.41 s`, `12.3 s`, `4 min 2 s`; below 0 with its sign."""
    sign, seconds = "\N{MINUS SIGN}" if seconds < 0 else "", abs(seconds)
    if round(seconds, 1) >= 60:
        return f"{sign}{round(seconds) // 60} min {round(seconds) % 60} s"
    return f"{sign}{seconds:.1f} s" if seconds >= 10 else f"{sign}{seconds:.2f} s"


def _signed(figure: str) -> str:
    if not figure.strip("+-0."):
        return figure[1:]
    return figure.replace("-", "\N{MINUS SIGN}")  # which is as wide as the plus


_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "page_templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters.update(
    {
        filter.__name__: filter
        for filter in (
            percent,
            percent_tick,
            percents_between,
            points,
            points_tick,
            points_between,
            p_value,
            count,
            fewer,
            duration,
        )
    }
)
