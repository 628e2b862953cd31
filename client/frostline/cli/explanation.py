"""How the hits of a search were found, for people."""

from typing import TYPE_CHECKING

from frostline.cli.output import Column, duration, say, show_fields, show_table

if TYPE_CHECKING:
    from frostline.client import Explanation


def show_explanation(explanation: "Explanation", recall: float) -> None:
    """Prints how the hits of a search were found.

    Args:
        explanation: the server's.
        recall: the recall to expect.
    """
    say("")
    show_fields(
        {
            "Recall": "1, every part was exact" if recall == 1 else f"{recall:.3f} expected",
            "Filter": _filter(explanation),
            "Time": _times(explanation),
        }
    )
    columns = (
        Column("PART"),
        Column("PLAN"),
        Column("MATCHING", "right"),
        Column("COMPARED", "right"),
        Column("LISTS", "right"),
        Column("RECALL", "right"),
        Column("VERIFIED"),
    )
    rows = (
        (
            step.part,
            step.plan,
            f"{step.matching_count:,}",
            f"{step.candidate_count:,}",
            step.probe_count or "",
            f"{step.recall:.3f}",
            "yes" if step.verified else "not yet",
        )
        for step in explanation.steps
    )
    if explanation.steps:
        say("")
        show_table(columns, rows)


def _filter(explanation: "Explanation") -> str:
    share = f"lets {explanation.selectivity * 100:.3g} % of records through"
    if explanation.unindexed_fields:
        fields = ", ".join(explanation.unindexed_fields)
        return f"{share}; row by row for {fields}: declare with `frostline collections update --field`"
    return f"{share}, from declared fields" if explanation.selectivity < 1 else share


def _times(explanation: "Explanation") -> str:
    stages = {
        "filter": explanation.filter_seconds,
        "vectors": explanation.vector_seconds,
        "keywords": explanation.keyword_seconds,
        "ranking": explanation.rank_seconds,
        "reading": explanation.read_seconds,
    }
    return ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in stages.items() if seconds) or "none measured"
