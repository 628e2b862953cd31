"""Options of several commands, and how `NAME=VALUE` is read."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

CollectionName = Annotated[
    str, typer.Argument(metavar="COLLECTION", help="Name or alias of the collection.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Filter = Annotated[
    str,
    typer.Option(
        metavar="FILTER",
        help="Only records whose payload fits, an AIP-160 expression: 'price < 20 AND tags:\"new\"'; OR binds tighter "
        "than AND.",
        show_default=False,
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=JSON",
        help="Value of $NAME in the filter: 'max=20', 'brand=\"acme\"'; may be repeated.",
        show_default=False,
    ),
]


def pairs(given: Sequence[str] | None, option: str, form: str) -> dict[str, str]:
    """Reads what a repeated option was given.

    Args:
        given: each `NAME=VALUE`.
        option: its name, for errors.
        form: how it is written, for errors.

    Raises:
        typer.BadParameter: one has no `=` or no name, or a name comes twice.
    """
    read: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
        if name in read:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint=option)
        read[name] = value
    return read


def parameters(given: Sequence[str] | None) -> dict[str, Any]:
    """Reads the values of a filter's parameters.

    Args:
        given: each `NAME=JSON`.

    Raises:
        typer.BadParameter: one cannot be read.
    """
    return {name: _json(name, value) for name, value in pairs(given, "--param", "NAME=JSON").items()}


def _json(name: str, value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        hint = f"a text needs quotes of its own: --param '{name}={json.dumps(value)}'"
        raise typer.BadParameter(f"{value!r} of {name} is no JSON; {hint}", param_hint="--param") from None
