"""`frostline heads predict` and `evaluate`: what a head says, and how far it can be trusted."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import Filter, Parameters
from frostline.cli.example_files import naming_files
from frostline.cli.failure import CommandFailed
from frostline.cli.head_groups import show_groups
from frostline.cli.head_output import percent, percent_interval
from frostline.cli.head_progress import patience_seconds, question_progress
from frostline.cli.inputs import Files, Texts, inputs_of
from frostline.cli.labelled_arguments import (
    AnsweredTask,
    Collection,
    GroupField,
    HeadName,
    ImageField,
    LabelField,
    Source,
    Task,
    TextField,
    Vector,
    Version,
    examples_of,
    records_of,
)
from frostline.cli.output import Column, counted, listed, say, show_fields, show_json, show_table, timings_line
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Evaluation, Interval, Prediction, Predictions, ValueEvaluation

_SHOWN_UNKNOWN = 20


@client_command
def predict(
    session: Session,
    name: HeadName,
    texts: Texts = None,
    file: Files = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The most classes shown of each input.", min=1)] = 1,
    version: Version = 0,
) -> None:
    """Predict the labels of texts or images.

    A label set holds the true label as often as the head was asked to. An input that cannot be read does not stop the
    others; the exit code is then 1.
    """
    inputs, names = inputs_of(texts, file)
    with session.connect() as client:
        started = time.perf_counter()
        found = client.predict(name, inputs, limit=limit, version=version)
        wall_seconds = time.perf_counter() - started
    if session.as_json:
        _print_json(name, names, found, wall_seconds)
    else:
        _print_table(names, found, limit)
        told = f"{counted(len(found), 'prediction')} of version {found.version} of {name} in "
        say(told + timings_line(found.timings, wall_seconds), "dim")
    if found.errors:
        first = min(found.errors)
        raise CommandFailed(
            f"{len(found.errors)} of {len(names)} inputs failed; {names[first]!r}: {found.errors[first].message}"
        )


@client_command
def evaluate_head(
    session: Session,
    name: HeadName,
    source: Source = None,
    text_field: TextField = "",
    image_field: ImageField = "",
    label_field: LabelField = "",
    group_field: GroupField = "",
    collection: Collection = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    task: Task = AnsweredTask.CLASS,
    version: Version = 0,
    worst: Annotated[int, typer.Option(metavar="N", help="The most classes and pairs that are shown.", min=0)] = 10,
) -> None:
    """Judge a head on labelled examples it has not seen, and with --group-field by group too."""
    examples = examples_of(source, text_field, image_field, label_field, task.value, group_field)
    records = records_of(collection, label_field, filter, param, vector, group_field)
    if not examples and records is None:
        raise typer.BadParameter("give SOURCE or --collection; a head is judged on labelled examples")
    with session.connect() as client, naming_files(examples), question_progress(session) as report:
        report("judging", 0.0)  # the server tells nothing until it is done
        judged = client.evaluate_head(
            name, examples, records=records, version=version, timeout_seconds=patience_seconds(session)
        )
    if session.as_json:
        show_json(_evaluation_json(name, judged))
    else:
        _show_evaluation(name, judged, worst)
        if judged.groups:
            show_groups(judged.groups)


def _print_json(head: str, names: Sequence[str], found: "Predictions", wall_seconds: float) -> None:
    show_json(
        {
            "head": head,
            "version": found.version,
            "predictions": [{"input": name, **_prediction_json(one)} for name, one in zip(names, found, strict=True)],
            "errors": [found.errors[index] for index in sorted(found.errors)],
            "timings": found.timings,
            "wall_seconds": wall_seconds,
        }
    )


def _prediction_json(one: "Prediction") -> dict[str, object]:
    if one.value is not None:
        return {"value": one.value, "interval": one.interval, "out_of_scope": one.out_of_scope}
    return {
        "label": one.label or None,
        "probability": one.probability,
        "abstained": one.abstained,
        "out_of_scope": one.out_of_scope,
        "label_set": one.label_set,
        "ranked": [{"label": label, "probability": probability} for label, probability in one.ranked],
    }


def _print_table(names: Sequence[str], found: "Predictions", limit: int) -> None:
    if any(one.value is not None for one in found):
        _print_numbers(names, found)
        return
    columns = (
        Column("INPUT", elide=True),
        Column("LABEL", style="cyan"),
        Column("PROBABILITY", "right"),
        Column("OUT OF SCOPE", "right"),
        Column("LABEL SET", elide=True),
    )
    rows: list[tuple[str, ...]] = []
    for index, (name, one) in enumerate(zip(names, found, strict=True)):
        if index in found.errors:
            rows.append((name, "failed", "", "", ""))
            continue
        label = f"{one.label} (abstains)" if one.abstained else one.label
        rows.append((name, label, f"{one.probability:.3f}", f"{one.out_of_scope:.2f}", ", ".join(one.label_set)))
        rows += (("", other, f"{probability:.3f}", "", "") for other, probability in one.ranked[1:limit])
    show_table(columns, rows)


def _print_numbers(names: Sequence[str], found: "Predictions") -> None:
    columns = (
        Column("INPUT", elide=True),
        Column("VALUE", "right", style="cyan"),
        Column("FROM", "right"),
        Column("TO", "right"),
        Column("OUT OF SCOPE", "right"),
    )
    rows: list[tuple[str, ...]] = []
    for name, one in zip(names, found, strict=True):
        low, high = one.interval or (None, None)
        value = "failed" if one.value is None else f"{one.value:.6g}"
        out_of_scope = "" if one.value is None else f"{one.out_of_scope:.2f}"
        rows.append((name, value, _figure(low, "{:.6g}"), _figure(high, "{:.6g}"), out_of_scope))
    show_table(columns, rows)


def _show_value_evaluation(name: str, judged: "Evaluation", value: "ValueEvaluation") -> None:
    coverage = "(no intervals)" if value.coverage is None else percent(value.coverage)
    show_fields(
        {
            "Head": f"{name}, version {judged.version}, on {judged.example_count:,} examples",
            "Mean absolute error": _of_numbers(value.mean_absolute_error),
            "Root mean squared error": _of_numbers(value.root_mean_squared_error),
            "Explained": percent_interval(value.explained) if value.explained else "(unknown)",
            "Intervals": f"hold the true number in {coverage}, margin {_figure(value.margin, '{:.4g}')}",
        }
    )


def _of_numbers(figure: "Interval") -> str:
    return f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"


def _show_evaluation(name: str, judged: "Evaluation", worst: int) -> None:
    if judged.value is not None:
        _show_value_evaluation(name, judged, judged.value)
        return
    of_labels = {} if judged.micro_f1 is None else {"Micro F1": percent_interval(judged.micro_f1)}
    show_fields(
        {
            "Head": f"{name}, version {judged.version}, on {judged.example_count:,} examples",
            "Accuracy": percent_interval(judged.accuracy),
            "Macro F1": percent_interval(judged.macro_f1),
            **of_labels,
            "Log loss": _figure(judged.log_loss, "{:.4f}"),
            "Calibration error": percent(judged.calibration_error),
            "Overfitting": _points(judged.overfitting_gap),
            "Answers": f"{percent(1 - judged.abstained_share)}, of which {percent(judged.answered_accuracy)} are right",
            "Picks errors": _figure(judged.abstain_auroc, "AUROC {:.3f}"),
            "Label sets": f"hold the true label in {percent(judged.set_coverage)}, {judged.mean_set_size:.2f} labels",
        }
    )
    if unknown := judged.unknown_labels:
        say(f"Labels that {name} does not know, all errors: {listed(unknown, _SHOWN_UNKNOWN)}", "yellow")
    if not worst:
        return
    say("")
    columns = [Column("WORST CLASS", elide=True)]
    columns += (Column(heading, "right") for heading in ("F1", "PRECISION", "RECALL", "EXAMPLES"))
    classes = sorted((one for one in judged.classes if one.support), key=lambda one: one.f1)[:worst]
    show_table(
        columns,
        (
            (one.label, f"{one.f1:.3f}", f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.support:,}")
            for one in classes
        ),
    )
    if pairs := judged.most_confused(worst):
        say("")
        columns = [Column("TRUE", elide=True), Column("PREDICTED", elide=True), Column("TIMES", "right")]
        show_table(columns, ((true, predicted, f"{times:,}") for true, predicted, times in pairs))


def _figure(value: float | None, form: str) -> str:
    return "(unknown)" if value is None else form.format(value)


def _points(gap: float | None) -> str:
    return _figure(None if gap is None else 100 * gap, "{:+.1f} points on the training examples")


def _evaluation_json(name: str, judged: "Evaluation") -> dict[str, object]:
    from dataclasses import fields

    told: dict[str, object] = {field.name: getattr(judged, field.name) for field in fields(judged)}
    if judged.value is not None:  # then the others are no figures
        told = {key: told[key] for key in ("version", "example_count", "value")}
        return {"head": name, **told}
    return {"head": name, **told, "confusion": judged.confusion.tolist()}
