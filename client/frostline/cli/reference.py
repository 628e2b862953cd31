"""Writes the reference of the command line: `python -m frostline.cli.reference > docs/cli.md`."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from typer.main import get_command

from frostline.cli.app import app
from frostline.cli.session import PANEL

_HEAD = """\
# The `frostline` command

Exit codes: 0 done; 1 an error, told in one line on stderr (`FROSTLINE_DEBUG=1` shows the traceback too); 2 wrong usage;
3 done, but rows were rejected or left out (`index`, `export`, `import`, `reembed`, `interactions import`); 130
interrupted.

Made by `python -m frostline.cli.reference > docs/cli.md`; a test fails when it is out of date.
"""
_OF_ALL = f"""\
## {PANEL}

Every command that talks to a server takes these:
"""


def reference() -> str:
    """The reference of all commands and options, as Markdown."""
    root = get_command(app)
    context = typer.Context(root, info_name="frostline")
    shared = dict.fromkeys(row for command, inner in _commands(root, context) for row in _rows(command, inner, True))
    parts = [_HEAD, *(_section(command, inner) for command, inner in _commands(root, context)), _OF_ALL]
    return "\n".join(parts) + "\n" + _table(shared)


def _commands(group: Any, context: typer.Context) -> Iterator[tuple[Any, typer.Context]]:  # noqa: ANN401
    yield group, context
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, typer.Context(command, info_name=name, parent=context))


def _section(command: Any, context: typer.Context) -> str:  # noqa: ANN401
    usage = command.get_usage(context).removeprefix("Usage: ")
    table = _table(_rows(command, context, False))
    return f"## `{context.command_path}`\n\n{command.help}\n\n    {usage}\n" + (f"\n{table}" if table else "")


def _rows(command: Any, context: typer.Context, shared: bool) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    for parameter in command.params:
        if (getattr(parameter, "rich_help_panel", None) == PANEL) is shared:
            names, meaning = parameter.get_help_record(context)
            yield names, " ".join(meaning.split())


def _table(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"- `{names}` {meaning}\n" for names, meaning in rows)


if __name__ == "__main__":
    sys.stdout.write(reference())
