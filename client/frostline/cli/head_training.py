"""`frostline heads train`, `update` and `merge`: from labelled examples to a head."""

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from frostline.cli.arguments import Filter, Parameters
from frostline.cli.example_files import naming_files
from frostline.cli.failure import CommandFailed
from frostline.cli.head_output import show_trained
from frostline.cli.head_progress import patience_seconds, training_progress
from frostline.cli.labelled_arguments import (
    TEXT_ENCODER,
    AnsweredTask,
    Collection,
    HeadName,
    ImageField,
    LabelField,
    Source,
    Task,
    TextField,
    Vector,
    examples_of,
    records_of,
)
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Description = Annotated[
    str, typer.Option(metavar="TEXT", help="What the head is for, at most 1,000 characters.", show_default=False)
]
Strength = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        help="The recipe's penalty, shrinkage, C or number of neighbors; cross-validated when not given.",
        show_default=False,
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the training; `heads show` tells of it.")]


class Recipe(enum.StrEnum):
    """What a head is trained from."""

    AUTO = "auto"
    LOGISTIC = "logistic"
    RIDGE = "ridge"
    LDA = "lda"
    NEAREST_MEAN = "nearest_mean"
    LINEAR_SVM = "linear_svm"
    NEAREST_NEIGHBORS = "nearest_neighbors"
    PERCEPTRON = "perceptron"


class Scaling(enum.StrEnum):
    """What is done to the values of embeddings first."""

    AUTO = "auto"
    NONE = "none"
    UNIT_LENGTH = "unit_length"
    SQUARE_ROOT = "square_root"


@client_command
def train_head(
    session: Session,
    name: HeadName,
    source: Source = None,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Encoder of the texts or images; {TEXT_ENCODER} for texts when not given.",
            show_default=False,
        ),
    ] = "",
    text_field: TextField = "",
    image_field: ImageField = "",
    label_field: LabelField = "",
    collection: Collection = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    describe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON object of what classes are about, by label; each counts like one more example, and described "
            "classes need no others.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Recipe, typer.Option(help="What it is trained from; auto takes the best of logistic, ridge and lda.")
    ] = Recipe.AUTO,
    strength: Strength = None,
    balance_classes: Annotated[
        bool, typer.Option("--balance-classes", help="Let classes count alike, however many examples they have.")
    ] = False,
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Layer of the encoder; its default when not given.", show_default=False)
    ] = "",
    scaling: Annotated[
        Scaling,
        typer.Option(help="What is done to the values of embeddings; auto tries roots where none is negative."),
    ] = Scaling.NONE,
    whiten: Annotated[bool, typer.Option("--whiten", help="Spread embeddings alike in all directions first.")] = False,
    augment: Annotated[
        int,
        typer.Option(
            metavar="COPIES",
            help="Learn from so many altered copies of each text (words left out) or image (cropped, mirrored) too.",
            min=0,
            max=8,
        ),
    ] = 0,
    adapt_to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Adapt the head to unlabelled inputs: their vectors, as `frostline embed --out` saves them.",
            show_default=False,
        ),
    ] = None,
    abstain_error: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Abstain so that the error of answers stays below this, from 0 to 1; never when 0.",
            min=0.0,
            max=1.0,
        ),
    ] = 0.0,
    coverage: Annotated[
        float, typer.Option(metavar="SHARE", help="How often label sets shall hold the true label.", min=0.0, max=1.0)
    ] = 0.9,
    task: Task = AnsweredTask.CLASS,
    description: Description = "",
    no_wait: NoWait = False,
) -> None:
    """Train a head from labelled texts, images or records; where the name is taken, a new version of that head.

    An earlier version goes on serving until the new one is ready.
    """
    examples = examples_of(source, text_field, image_field, label_field, task.value)
    records = records_of(collection, label_field, filter, param, vector)
    if not examples and records is None and describe is None:
        raise typer.BadParameter("give SOURCE, --collection or --describe; a head learns from something")
    if not encoder and records is None and all(example.image is None for example in examples):
        encoder = TEXT_ENCODER
    with session.connect() as client, naming_files(examples), training_progress(session, name) as report:
        head = client.train_head(
            name,
            examples,
            encoder=encoder,
            records=records,
            recipe=recipe.value,
            strength=strength,
            balance_classes=balance_classes,
            descriptions=_descriptions(describe),
            abstain_error=abstain_error,
            coverage=coverage,
            layer=layer,
            scaling=scaling.value,
            whiten=whiten,
            augment=augment,
            adapt_to=_vectors(adapt_to),
            task=task.value,
            description=description,
            wait=not no_wait,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    show_trained(head, session)


@client_command
def update_head(
    session: Session,
    name: HeadName,
    source: Source = None,
    remove: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Examples to remove, with inputs and labels as they were given; read like SOURCE.",
            show_default=False,
        ),
    ] = None,
    remove_class: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Class to remove with its examples; may be repeated.", show_default=False),
    ] = None,
    text_field: TextField = "",
    image_field: ImageField = "",
    label_field: LabelField = "",
    collection: Collection = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    task: Task = AnsweredTask.CLASS,
    no_wait: NoWait = False,
) -> None:
    """Train a new version of a head: SOURCE and --collection are added, what --remove names goes.

    With ridge, lda and nearest_mean, and for numbers, the new weights are those of training on everything anew.
    """
    added = examples_of(source, text_field, image_field, label_field, task.value)
    removed = examples_of(remove, text_field, image_field, label_field, task.value)
    records = records_of(collection, label_field, filter, param, vector)
    if not (added or removed or remove_class or records):
        raise typer.BadParameter("give SOURCE, --collection, --remove or --remove-class; there is nothing to change")
    named = naming_files([] if added and removed else added or removed)  # else a number may be of either
    with session.connect() as client, named, training_progress(session, name) as report:
        head = client.update_head(
            name,
            added,
            removed,
            remove_class or (),
            records=records,
            wait=not no_wait,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    show_trained(head, session)


@client_command
def merge_heads(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="HEAD", help="Name of the merged head.", show_default=False)],
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="PARTS",
            help="Heads of this server by name, and archives of others, as `frostline heads export` writes them.",
            show_default=False,
        ),
    ],
    description: Description = "",
    no_wait: NoWait = False,
) -> None:
    """Make a head that knows what several know, without any of their examples: as if trained on all together.

    The parts need one recipe that keeps statistics (ridge, lda, nearest_mean), the same strength and the same space.
    """
    if len(parts) < 2:
        raise typer.BadParameter("give two heads or more")
    with session.connect() as client, training_progress(session, name) as report:
        head = client.merge_heads(
            name,
            [Path(part) if _is_file(part) else part for part in parts],
            description=description,
            wait=not no_wait,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    show_trained(head, session)


def _is_file(part: str) -> bool:
    return "/" in part or "." in part  # which no name of a head has


def _descriptions(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CommandFailed(f"{path} is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise CommandFailed(f"{path} holds a {type(read).__name__}; a JSON object of labels and texts is needed")
    descriptions = cast("dict[str, Any]", read)
    for label, text in descriptions.items():
        if not isinstance(text, str):
            raise CommandFailed(f"{path} describes {label!r} by {str(text)[:60]!r}; a text is needed")
    return descriptions


def _vectors(path: Path | None) -> "NDArray[np.float32] | None":
    if path is None:
        return None
    import numpy as np

    try:
        vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise CommandFailed(f"{path} holds no vectors: {error}") from error
    return vectors
