"""`frostline embed`: vectors of texts and images."""

import enum
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.failure import CommandFailed
from frostline.cli.inputs import Files, Texts, inputs_of
from frostline.cli.output import Column, say, show_json, show_table, timings_line
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Embeddings

_SHOWN_VALUES = 4


class Dtype(enum.StrEnum):
    """How the numbers travel."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    BINARY = "binary"


class Truncate(enum.StrEnum):
    """Which side of a text that is too long is cut away."""

    RIGHT = "right"
    LEFT = "left"
    ERROR = "error"


@client_command
def embed(
    session: Session,
    texts: Texts = None,
    file: Files = None,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="Encoder to use.")] = "all-minilm-l6-v2",
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the prompt put before each text: query, document, ...", show_default=False
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What is put before each text, instead of a prompt.", show_default=False),
    ] = None,
    dimensions: Annotated[
        int, typer.Option(metavar="N", help="Keep the first so many dimensions; 0 keeps all.", min=0)
    ] = 0,
    dtype: Annotated[Dtype, typer.Option(help="How the numbers travel; shown as float32.")] = Dtype.FLOAT32,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Whether vectors get unit length; the encoder's default when not given.",
            show_default=False,
        ),
    ] = None,
    truncate: Annotated[
        Truncate, typer.Option(help="Which side of a text that is too long is cut away; error refuses it.")
    ] = Truncate.RIGHT,
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Layer of the encoder; its default when not given.", show_default=False)
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Save the vectors, float32 of shape (n, d), as this .npy file.", show_default=False
        ),
    ] = None,
) -> None:
    """Embed texts or images and show their vectors.

    The table shows the first values of each vector; --json and --out give all. An input that cannot be embedded does
    not stop the others: its row is zero and the exit code 1.
    """
    if prompt is not None and prefix is not None:
        raise typer.BadParameter("give --prompt or --prefix, not both")
    inputs, names = inputs_of(texts, file)
    with session.connect() as client:
        started = time.perf_counter()
        embedded = client.embed(
            inputs,
            encoder,
            prompt=prompt,
            prefix=prefix,
            dimensions=dimensions,
            dtype=dtype.value,
            normalize=normalize,
            truncate=truncate.value,
            layer=layer,
        )
        wall_seconds = time.perf_counter() - started
    if out is not None:
        _save(embedded, out)
    if session.as_json:
        _print_json(encoder, embedded, wall_seconds)
    else:
        _print_table(names, embedded, wall_seconds)
    if embedded.errors:
        first = min(embedded.errors)
        raise CommandFailed(
            f"{len(embedded.errors)} of {len(names)} inputs failed; {names[first]!r}: {embedded.errors[first].message}"
        )


def _save(embedded: "Embeddings", path: Path) -> None:
    import numpy as np

    with path.open("wb") as file:  # np.save would add .npy to a name without it
        np.save(file, embedded.vectors, allow_pickle=False)


def _print_json(encoder: str, embedded: "Embeddings", wall_seconds: float) -> None:
    show_json(
        {
            "encoder": encoder,
            "space": embedded.space,
            "vectors": embedded.vectors.tolist(),
            "token_counts": embedded.token_counts,
            "truncated": embedded.truncated,
            "errors": [embedded.errors[index] for index in sorted(embedded.errors)],
            "timings": embedded.timings,
            "wall_seconds": wall_seconds,
        }
    )


def _print_table(names: Sequence[str], embedded: "Embeddings", wall_seconds: float) -> None:
    import numpy as np

    columns = (
        Column("INPUT", elide=True),
        Column("FIRST VALUES", style="cyan"),
        Column("NORM", "right"),
        Column("TOKENS", "right"),
    )
    norms = np.linalg.norm(embedded.vectors, axis=1)
    rows: list[tuple[object, ...]] = []
    for index, (name, vector) in enumerate(zip(names, embedded.vectors, strict=True)):
        if index in embedded.errors:
            rows.append((name, "failed", "", ""))
            continue
        values = " ".join(f"{value:8.4f}" for value in vector[:_SHOWN_VALUES])
        tokens = f"{embedded.token_counts[index]}{' (cut)' if embedded.truncated[index] else ''}"
        rows.append((name, values, f"{norms[index]:.4f}", tokens))
    show_table(columns, rows)
    dimensions = embedded.space.dimensions
    say(f"{len(names)} vectors of {dimensions} dimensions in {timings_line(embedded.timings, wall_seconds)}", "dim")
