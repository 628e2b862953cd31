"""How a head fares by group, for people."""

from typing import TYPE_CHECKING

from frostline.cli.head_output import percent, percent_interval
from frostline.cli.output import Column, listed, say, show_fields, show_table

if TYPE_CHECKING:
    from frostline.client import GroupAnswers, GroupComparison, Interval

_MOST_THRESHOLD = 1.0
_SHOWN_SMALL = 20


def show_groups(found: "GroupComparison") -> None:
    """Prints the groups, how far apart they are, and what thresholds of their own would do."""
    say("")
    columns = [Column("GROUP", elide=True)]
    columns += (
        Column(heading, "right") for heading in ("EXAMPLES", "ACCURACY", "MACRO F1", "ANSWERED", "IN LABEL SET")
    )
    show_table(
        columns,
        (
            (
                group.group,
                f"{group.example_count:,}",
                percent_interval(group.accuracy),
                f"{group.macro_f1.value:.3f}",
                percent(1 - group.abstained_share),
                percent(group.set_coverage),
            )
            for group in found.groups
        ),
    )
    if found.small:
        told = listed([f"{name} ({count})" for name, count in found.small.items()], _SHOWN_SMALL)
        say(f"Not judged, with fewer than 10 examples: {told}", "dim")
    say("")
    show_fields(
        {
            "Gap": f"{_points(found.gap)} from {found.worst} to {found.best}",
            "By chance": f"as large in {percent(found.p_value)} of random groups",
        }
    )
    _show_mitigation(found)


def _show_mitigation(found: "GroupComparison") -> None:
    mitigation = found.mitigation
    say("")
    say(f"Thresholds of their own, for an error of {percent(mitigation.error)}, on examples they were not chosen on:")
    columns = (Column("GROUP", elide=True), Column("THRESHOLD", "right"), Column("BEFORE"), Column("AFTER"))
    show_table(
        columns,
        (
            (
                each.group,
                f"{each.threshold:.3f}" if each.threshold <= _MOST_THRESHOLD else "(never answers)",
                _answers(each.before),
                _answers(each.after),
            )
            for each in mitigation.thresholds
        ),
    )
    before, after = mitigation.gap_before, mitigation.gap_after
    say("")
    show_fields({"Gap of answers": f"{_points(before)} before, {_points(after)} after"})


def _answers(found: "GroupAnswers") -> str:
    return f"{percent(found.share)}, of which {percent(found.accuracy)} are right"


def _points(gap: "Interval | None") -> str:
    return "(unknown)" if gap is None else f"{100 * gap.value:.1f} points ({100 * gap.low:.1f} to {100 * gap.high:.1f})"
