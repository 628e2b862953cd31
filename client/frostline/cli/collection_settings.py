"""`frostline collections create` and `update`: what a collection is."""

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frostline.cli.arguments import CollectionName, pairs
from frostline.cli.collection_output import show_collection
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import VectorField


class Metric(enum.StrEnum):
    """How close two vectors are."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


class Index(enum.StrEnum):
    """How the vectors of large collections are indexed."""

    AUTO = "auto"
    FLAT = "flat"
    IVF_PQ = "ivf_pq"
    HNSW = "hnsw"
    RABITQ = "rabitq"


class Durability(enum.StrEnum):
    """What an acknowledged write survives."""

    FULL = "full"
    RELAXED = "relaxed"


FIELD_KINDS = ("keyword", "integer", "float", "boolean", "timestamp", "geo")

Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="PATH=KIND",
        help=f"Payload field that filters find fast, and what it holds ({', '.join(FIELD_KINDS)}); may be repeated.",
        show_default=False,
    ),
]
Recall = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="The recall at 10 that the index must have.", min=0.0, max=1.0, show_default=False
    ),
]


@client_command
def create_collection(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Lower-case letters, digits, hyphens and underscores, at most 63.", show_default=False
        ),
    ],
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Encoder of its one vector, `default`; without one it holds plain vectors.",
            show_default=False,
        ),
    ] = "",
    dimensions: Annotated[
        int,
        typer.Option(
            metavar="N", help="Length of its plain vectors; with an encoder, how many are kept (0 keeps all).", min=0
        ),
    ] = 0,
    metric: Annotated[Metric, typer.Option(help="How close two vectors are.")] = Metric.COSINE,
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Layer of the encoder; its default when not given.", show_default=False)
    ] = "",
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Whether vectors get unit length; the encoder's default when not given.",
            show_default=False,
        ),
    ] = None,
    document_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What is put before each text that is stored; the encoder's document prompt when not given.",
            show_default=False,
        ),
    ] = None,
    query_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What is put before each text that is searched for; the encoder's query prompt when not given.",
            show_default=False,
        ),
    ] = None,
    vector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ENCODER",
            help="A vector of each record and its encoder, instead of --encoder; may be repeated.",
            show_default=False,
        ),
    ] = None,
    field: Fields = None,
    index: Annotated[Index, typer.Option(help="How vectors are indexed.")] = Index.AUTO,
    min_recall: Recall = None,
    durability: Annotated[
        Durability, typer.Option(help="What a write survives: a power cut, or the end of the process.")
    ] = Durability.FULL,
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="What it holds, for people.", show_default=False)
    ] = "",
    keep_content: Annotated[
        bool,
        typer.Option("--keep-content/--no-keep-content", help="Whether texts and images are kept beside vectors."),
    ] = True,
) -> None:
    """Create a collection. What `update` does not name is fixed for good."""
    options: dict[str, Any] = {
        "encoder": encoder,
        "dimensions": dimensions,
        "layer": layer,
        "normalize": normalize,
        "document_prompt": document_prompt,
        "query_prompt": query_prompt,
    }
    named = pairs(vector, "--vector", "NAME=ENCODER")
    if named and list(options.values()) != ["", 0, "", None, None, None]:
        raise typer.BadParameter(
            "excludes --encoder, --dimensions, --layer, --normalize and the prompts", param_hint="--vector"
        )
    if named:
        options["vectors"] = _named_vectors(named, metric)
    else:
        options["metric"] = metric.value
    if min_recall is not None:
        options["min_recall"] = min_recall
    with session.connect() as client:
        created = client.create_collection(
            name,
            description=description,
            keep_content=keep_content,
            fields=_fields(field),
            index=index.value,
            durability=durability.value,
            **options,
        )
    show_collection(created, session)


@client_command
def update_collection(
    session: Session,
    name: CollectionName,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it holds, for people.", show_default=False)
    ] = None,
    query_prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What is put before each text that is searched for.", show_default=False),
    ] = None,
    vector: Annotated[str, typer.Option(metavar="NAME", help="The vector whose query prompt is given.")] = "default",
    field: Fields = None,
    drop_field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="Payload field that shall no longer be indexed; may be repeated.", show_default=False
        ),
    ] = None,
    index: Annotated[Index | None, typer.Option(help="How vectors are indexed.", show_default=False)] = None,
    min_recall: Recall = None,
    durability: Annotated[
        Durability | None,
        typer.Option(help="What a write survives: a power cut, or the end of the process.", show_default=False),
    ] = None,
) -> None:
    """Change a collection. What is not given stays as it is; fields are added to those there are."""
    with session.connect() as client:
        fields = None
        if field or drop_field:
            fields = {**client.get_collection(name).fields, **_fields(field)}
            for path in drop_field or ():
                if fields.pop(path, None) is None:
                    raise typer.BadParameter(f"{path!r} is not indexed", param_hint="--drop-field")
        changes: dict[str, Any] = {
            "description": description,
            "query_prompt": None if query_prompt is None else {vector: query_prompt},
            "fields": fields,
            "index": index and index.value,
            "min_recall": min_recall,
            "durability": durability and durability.value,
        }
        if not any(change is not None for change in changes.values()):
            raise typer.BadParameter("nothing to change is given; `--help` lists what can be")
        changed = client.update_collection(name, **changes)
    show_collection(changed, session)


def _named_vectors(encoders: dict[str, str], metric: Metric) -> "dict[str, VectorField]":
    from frostline.client import VectorField

    return {name: VectorField(encoder, metric=metric.value) for name, encoder in encoders.items()}


def _fields(given: list[str] | None) -> dict[str, Any]:
    fields = pairs(given, "--field", "PATH=KIND")
    for path, kind in fields.items():
        if kind not in FIELD_KINDS:
            known = ", ".join(FIELD_KINDS)
            raise typer.BadParameter(f"{kind!r} of {path} is no kind; it is one of {known}", param_hint="--field")
    return fields
