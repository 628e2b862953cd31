"""`frostline heads drift`, `audit` and `suggest`: the data around a head, and what to do about it."""

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import Filter, Parameters, parameters
from frostline.cli.example_files import naming_files
from frostline.cli.head_output import percent
from frostline.cli.head_progress import patience_seconds, question_progress
from frostline.cli.inputs import Files, Texts, inputs_of
from frostline.cli.labelled_arguments import (
    TEXT_ENCODER,
    Collection,
    HeadName,
    ImageField,
    LabelField,
    Source,
    TextField,
    Vector,
    Version,
    examples_of,
    records_of,
)
from frostline.cli.output import Column, say, show_fields, show_json, show_table
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import AuditedExample, Example, LabelAudit, UnlabelledRecords

_USUAL_P_VALUE = 0.05

OptionalHead = Annotated[str, typer.Option("--head", metavar="NAME", help="Name of the head.", show_default=False)]
Encoder = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=f"Encoder of texts or images, without --head; {TEXT_ENCODER} for texts when not given.",
        show_default=False,
    ),
]
Limit = Annotated[int, typer.Option(metavar="N", help="The most that is listed of each kind.", min=1)]
InputCollection = Annotated[
    str,
    typer.Option(
        "--collection",
        metavar="NAME",
        help="Take records of this collection instead of texts, with their stored vectors.",
        show_default=False,
    ),
]
LabelledField = Annotated[
    str,
    typer.Option(
        "--label-field",
        metavar="FIELD",
        help="Field with the label: pass over records that have one.",
        show_default=False,
    ),
]


class Strategy(enum.StrEnum):
    """What makes an input worth a label."""

    UNCERTAINTY = "uncertainty"
    MARGIN = "margin"
    COVERAGE = "coverage"


@client_command
def drift(
    session: Session,
    head: HeadName,
    texts: Texts = None,
    file: Files = None,
    collection: InputCollection = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    version: Version = 0,
    limit: Limit = 20,
) -> None:
    """Measure whether what a head is asked about now is still like what it was trained on."""
    inputs, names, records = _inputs(texts, file, collection, "", filter, param, vector)
    with session.connect() as client, question_progress(session, "Sending inputs") as report:
        found = client.measure_drift(
            head,
            inputs,
            records=records,
            version=version,
            limit=limit,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    if session.as_json:
        show_json(found)
        return
    likely = "yes" if found.p_value <= _USUAL_P_VALUE else "it may be chance"
    show_fields(
        {
            "Head": f"{head}, version {found.version}, {found.example_count:,} examples",
            "Inputs": f"{found.input_count:,}",
            "Changed": f"{likely} (p = {found.p_value:.3f})",
            "Told apart": f"{percent(found.separability)}; {percent(0.5)} if nothing has changed",
            "Usual score": f"{found.expected_score:.2f}",
        }
    )
    say("")
    rows = ((_name(each.position, each.record_id, names), f"{each.score:.2f}") for each in found.shifted)
    show_table((Column("MOST SHIFTED", elide=True), Column("SCORE", "right")), rows)


@client_command
def suggest(
    session: Session,
    texts: Texts = None,
    file: Files = None,
    head: OptionalHead = "",
    encoder: Encoder = "",
    collection: InputCollection = "",
    label_field: LabelledField = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            help="margin: two classes are about as likely; uncertainty: none is likely; coverage: like many others. "
            "margin when not given, coverage without --head.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many inputs are wanted.", min=1, max=1_000)] = 20,
    version: Version = 0,
) -> None:
    """Choose the inputs whose labels would teach most; unlike each other, and unlike what is labelled."""
    inputs, names, records = _inputs(texts, file, collection, label_field, filter, param, vector)
    if not (encoder or head or file or records):
        encoder = TEXT_ENCODER
    with session.connect() as client, question_progress(session, "Sending inputs") as report:
        found = client.suggest_labels(
            head,
            inputs,
            records=records,
            count=count,
            strategy=strategy.value if strategy else None,
            encoder=encoder,
            version=version,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    if session.as_json:
        show_json(found)
        return
    columns = [Column("INPUT", elide=True), Column("SCORE", "right")]
    columns += [Column("LIKELY LABEL", style="cyan"), Column("PROBABILITY", "right")] if head else []
    rows: list[tuple[str, ...]] = []
    for each in found:
        guess = (each.label, f"{each.probability:.3f}") if head else ()
        rows.append((_name(each.position, each.record_id, names), f"{each.score:.3f}", *guess))
    show_table(columns, rows)


@client_command
def audit(
    session: Session,
    source: Source = None,
    head: OptionalHead = "",
    encoder: Encoder = "",
    text_field: TextField = "",
    image_field: ImageField = "",
    label_field: LabelField = "",
    collection: Collection = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    version: Version = 0,
    limit: Limit = 20,
) -> None:
    """Look for labels that are probably wrong, near duplicates and outliers.

    Among labelled examples, or among those that a head was trained from when none are given.
    """
    examples = examples_of(source, text_field, image_field, label_field)
    records = records_of(collection, label_field, filter, param, vector)
    if not examples and records is None and not head:
        raise typer.BadParameter("give SOURCE, --collection or --head; an audit looks at labelled examples")
    if not (encoder or head or records) and all(example.image is None for example in examples):
        encoder = TEXT_ENCODER
    with session.connect() as client, naming_files(examples), question_progress(session, "Sending inputs") as report:
        found = client.audit_labels(
            head,
            examples,
            encoder=encoder,
            records=records,
            version=version,
            limit=limit,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    if session.as_json:
        show_json(found)
    else:
        _show_audit(found, [_content(example) for example in examples])


def _show_audit(found: "LabelAudit", names: Sequence[str]) -> None:
    show_fields(
        {
            "Examples": f"{found.example_count:,}",
            "Suspect labels": f"{found.suspect_count:,}",
            "Near duplicates": f"{found.duplicates_count:,} groups",
            "Outliers": f"{found.outlier_count:,}",
        }
    )

    def name(example: "AuditedExample") -> str:
        return _name(example.position, example.record_id, names)

    if found.suspects:
        say("")
        columns = [Column("SUSPECT LABEL", elide=True), Column("LABEL"), Column("SUGGESTED", style="cyan")]
        show_table(
            (*columns, Column("QUALITY", "right")),
            (
                (name(each.example), each.example.label, each.suggested_label, f"{each.quality:.3f}")
                for each in found.suspects
            ),
        )
    if found.duplicates:
        say("")
        rows: list[tuple[str, ...]] = []
        for number, group in enumerate(found.duplicates, 1):
            said = "contradictory" if group.contradictory else ""
            rows += ((str(number), name(each), each.label, said) for each in group.examples)
        show_table((Column("GROUP", "right"), Column("NEARLY THE SAME", elide=True), Column("LABEL"), Column("")), rows)
    if found.outliers:
        say("")
        columns = [Column("OUTLIER", elide=True), Column("LABEL"), Column("DISTANCE", "right")]
        show_table(
            columns, ((name(each.example), each.example.label, f"{each.distance:.2f}") for each in found.outliers)
        )


def _inputs(
    texts: list[str] | None,
    files: list[Path] | None,
    collection: str,
    label_field: str,
    filter: str,
    param: Sequence[str] | None,
    vector: str,
) -> "tuple[Sequence[str | Path], list[str], UnlabelledRecords | None]":
    """What a command is given: inputs and how each is called, or records."""
    if not collection:
        given = {"--label-field": label_field, "--filter": filter, "--param": param, "--vector": vector}
        if named := [option for option, value in given.items() if value]:
            raise typer.BadParameter(f"{', '.join(named)} can be given with --collection only")
        return *inputs_of(texts, files), None
    if texts or files:
        raise typer.BadParameter("give --collection, or texts, or --file")
    from frostline.client import UnlabelledRecords

    return (), [], UnlabelledRecords(collection, label_field, filter, vector, parameters(param) or None)


def _content(example: "Example") -> str:
    return str(example.text if example.image is None else example.image)


def _name(position: int, record_id: str, names: Sequence[str]) -> str:
    """How an input is called: its id, what was given, or its position."""
    return record_id or (names[position] if position < len(names) else f"example {position}")
