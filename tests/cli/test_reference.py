from pathlib import Path

from typer.main import get_command

from frostline.cli.app import app
from frostline.cli.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def every_command(group, path="frostline"):
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from every_command(command, f"{path} {name}")


def test_the_page_is_what_the_commands_say():
    assert PAGE.read_text() == reference(), "run: python -m frostline.cli.reference > docs/cli.md"


def test_every_command_and_every_option_says_what_it_is_for():
    silent = []
    for path, command in every_command(get_command(app)):
        if not command.help:
            silent.append(path)
        silent += [f"{path}: {option.name}" for option in command.params if not option.help]
    assert silent == []


def test_the_page_names_every_command_and_every_option():
    sections = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:])
    missing = []
    for path, command in every_command(get_command(app)):
        told = sections[f"`{path}`"] + sections["Connection and output"]
        names = {name for option in command.params for name in (*option.opts, *option.secondary_opts) if "-" in name}
        missing += [f"{path}: {name}" for name in names if name not in told]
    assert missing == []


def test_every_client_command_takes_the_connection_options():
    shared = {"target", "token", "tls", "ca_certificate", "timeout", "as_json"}
    apart = {"frostline demo", "frostline serve"}
    for path, command in every_command(get_command(app)):
        if not hasattr(command, "commands") and path not in apart:
            assert shared <= {option.name for option in command.params}, path
