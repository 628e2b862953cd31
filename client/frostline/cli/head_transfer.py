"""`frostline heads transfer`: what an encoder is worth, with a curve and a page to show."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import Filter, Parameters
from frostline.cli.curves import drawn
from frostline.cli.failure import CommandFailed
from frostline.cli.head_output import percent
from frostline.cli.head_progress import patience_seconds, question_progress
from frostline.cli.head_training import Recipe, Strength
from frostline.cli.labelled_arguments import (
    TEXT_ENCODER,
    Collection,
    ImageField,
    LabelField,
    Source,
    TextField,
    Vector,
    examples_of,
    records_of,
)
from frostline.cli.output import Column, console, duration, say, show, show_fields, show_json, show_table, size
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Interval, TransferCost, TransferPoint, TransferReport

_VERDICT_STYLES = {"positive": "bold green", "negative": "bold red", "inconclusive": "bold yellow"}
_CURVE_STYLES = {"head": ("●", "blue"), "from scratch": ("○", "yellow")}
_LEAST_P = 0.001


@client_command
def measure_transfer(
    session: Session,
    source: Source = None,
    encoder: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"The encoder; {TEXT_ENCODER} for texts when not given.", show_default=False),
    ] = "",
    held_out: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Examples to be judged by, read like SOURCE; half of each class of the others when not given.",
            show_default=False,
        ),
    ] = None,
    text_field: TextField = "",
    image_field: ImageField = "",
    label_field: LabelField = "",
    collection: Collection = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    recipe: Annotated[Recipe, typer.Option(help="What the heads are trained from.")] = Recipe.AUTO,
    strength: Strength = None,
    draws: Annotated[int, typer.Option(metavar="N", help="How often examples are drawn anew.", min=10, max=100)] = 10,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the report as one HTML page with plots.", show_default=False),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the page if there is one.")] = False,
    only_cost: Annotated[bool, typer.Option("--only-cost", help="Say what it would take, and do no more.")] = False,
) -> None:
    """Measure what an encoder is worth for your examples: heads on it against learning from scratch.

    Takes minutes. Records must be of a collection that keeps contents.
    """
    if html and html.exists() and not replace:
        raise CommandFailed(f"{html} exists; give --replace to write it anew")
    examples = examples_of(source, text_field, image_field, label_field)
    judged = examples_of(held_out, text_field, image_field, label_field)
    records = records_of(collection, label_field, filter, param, vector)
    if not examples and records is None:
        raise typer.BadParameter("give SOURCE or --collection; transfer is measured on labelled examples")
    if not encoder and records is None and all(example.image is None for example in examples):
        encoder = TEXT_ENCODER
    with session.connect() as client:
        if only_cost:
            costs = client.transfer_cost(
                examples,
                encoder=encoder,
                records=records,
                held_out=judged,
                recipe=recipe.value,
                strength=strength,
                draws=draws,
            )
            _show_cost(session, costs)
            return
        with question_progress(session) as report:
            found = client.measure_transfer(
                examples,
                encoder=encoder,
                records=records,
                held_out=judged,
                recipe=recipe.value,
                strength=strength,
                draws=draws,
                cost=lambda costs: report(_told(costs), 0.0),
                progress=report,
                timeout_seconds=patience_seconds(session),
            )
    if html:
        found.save_html(html)
    if session.as_json:
        sys.stdout.write(found.to_json() + "\n")
    else:
        _show(found, html)


def _told(costs: "TransferCost") -> str:
    trained = f"{costs.heads:,} heads and {costs.baselines:,} baselines"
    return f"Training {trained}: about {duration(costs.seconds)} where nothing else runs"


def _show_cost(session: Session, costs: "TransferCost") -> None:
    if session.as_json:
        show_json(costs)
    else:
        say(f"{_told(costs)}, and embedding.")


def _show(report: "TransferReport", html: Path | None) -> None:
    say(f"{report.verdict.upper()}", _VERDICT_STYLES.get(report.verdict, "bold"))
    say(report.reason)
    say("")
    fields = _fields(report)
    if html:
        fields["Page"] = f"{html}, {size(html.stat().st_size)}"
    show_fields(fields)
    say("")
    to = console()
    curves = {
        "head": [point.head.value for point in report.points],
        "from scratch": [point.scratch.value for point in report.points],
    }
    show(drawn([point.examples for point in report.points], curves, _CURVE_STYLES, to.width), to)
    say("")
    _show_points(report)


def _fields(report: "TransferReport") -> dict[str, str]:
    split, saving, seconds = report.split, report.label_saving, report.seconds
    tried = ", ".join(f"{each.name} ({percent(each.accuracy)})" for each in report.baselines if not each.chosen)
    chosen = next((each.name for each in report.baselines if each.chosen), "(nothing)")
    fields = {
        "Encoder": f"{report.encoder or 'vectors'}, {report.recipe} heads",
        "From scratch": f"{chosen}{f'; better in cross-validation than {tried}' if tried else ''}",
        "Classes": f"{len(report.classes):,}",
        "Examples": f"{split.training_count:,} to learn from, {split.held_out_count:,} "
        f"{'given' if split.given else 'held out'} to judge by; {report.draws} draws",
        "Labels": f"{saving}, {saving.head_examples:,.0f} instead of {saving.scratch_examples:,.0f} for "
        f"{percent(saving.accuracy)}; factor {saving.factor.low:.3g} to {saving.factor.high:.3g}",
        "Start": _gain(report.higher_start),
        "Whole curve": _gain(report.average),
        "Training": f"{duration(seconds.head)} the head, {duration(seconds.scratch)} from scratch",
        "Measured in": duration(report.measured_seconds),
    }
    if report.crossover is not None:
        fields["Curves cross"] = f"at {report.crossover:,.0f} examples"
    if report.higher_asymptote is not None:
        fields["Curves end"] = f"{_gain(report.higher_asymptote)}, extrapolated"
    return fields


def _show_points(report: "TransferReport") -> None:
    names = ("SHOTS", "EXAMPLES", "HEAD", "FROM SCRATCH", "GAIN", "P, BOOTSTRAP", "P, MCNEMAR")
    show_table([Column(name, "right") for name in names], map(_row, report.points))


def _row(point: "TransferPoint") -> tuple[str, ...]:
    return (
        "all" if point.everything else f"{point.shots:,}",
        f"{point.examples:,}",
        percent(point.head.value),
        percent(point.scratch.value),
        _gain(point.difference),
        _p_value(point.bootstrap_p),
        _p_value(point.mcnemar_p),
    )


def _gain(figure: "Interval") -> str:
    return f"{100 * figure.value:+.1f} points ({100 * figure.low:+.1f} to {100 * figure.high:+.1f})"


def _p_value(value: float) -> str:
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"
