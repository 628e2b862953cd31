"""`frostline encoders`: the models a server can run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.confirmation import confirm
from frostline.cli.failure import CommandFailed
from frostline.cli.output import Column, console, say, show_fields, show_json, show_table, size
from frostline.cli.progress import progress
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Check, Encoder

app = typer.Typer(no_args_is_help=True, help="List, show, add, verify and delete encoders.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the encoder.", show_default=False)]

_STEP_SECONDS = 600.0
_STEPS = {
    "receiving": "Fetching files",
    "building": "Building the graph",
    "verifying": "Comparing outputs",
    "ready": "Ready",
}


@app.command("list")
@client_command
def list_encoders(session: Session) -> None:
    """List the encoders."""
    with session.connect() as client:
        found = client.list_encoders()
    if session.as_json:
        show_json(found)
    elif not found:
        say("No encoders; `frostline encoders add` adds one.")
    else:
        columns = (
            Column("NAME"),
            Column("TAKES"),
            Column("DIMENSIONS", "right"),
            Column("MAX TOKENS", "right"),
            Column("DEVICE"),
            Column("SIZE", "right"),
            Column("LICENSE", elide=True),
        )
        show_table(columns, map(_row, found))


@app.command("show")
@client_command
def show_encoder(session: Session, name: Name) -> None:
    """Show one encoder: its layers, prompts, licence and origin."""
    with session.connect() as client:
        found = client.get_encoder(name)
    if session.as_json:
        show_json(found)
    else:
        show_fields(_fields(found))


@app.command("add")
@client_command
def add_encoder(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of a sentence-transformers checkpoint, of an ONNX file with preprocess.json, or of a bundle; "
            "or hub:org/name or hub:org/name@revision, which the server fetches.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Its name: lower-case letters, digits, dots and hyphens, at most 63.",
            show_default=False,
        ),
    ],
) -> None:
    """Add an encoder to the server, which builds, verifies and loads it without a restart.

    For administrators. A step may take ten minutes, or --timeout where that is longer.
    """
    hub = source.removeprefix("hub:") if source.startswith("hub:") else None
    to = None if session.as_json else console(stderr=True)
    with (
        session.connect() as client,
        progress(to, "Sending files" if hub is None else "Fetching files", "", size) as shown,
    ):

        def report(step: str, received_bytes: int, total_bytes: int) -> None:
            if step == "receiving" and total_bytes:
                shown.update(received_bytes, total_bytes)
            else:
                shown.step(_STEPS.get(step, step))

        added = client.add_encoder(
            name,
            None if hub is not None else source,
            hub,
            report,
            timeout_seconds=max(_STEP_SECONDS, session.timeout_seconds),
        )
    if session.as_json:
        show_json(added)
        return
    _show_checks(added.checks)
    say(f"Added encoder {added.name}: {added.modality}, {added.default_space.dimensions} dimensions, {added.device}.")


@app.command("verify")
@client_command
def verify_encoder(session: Session, name: Name) -> None:
    """Check an encoder's files against their hashes and its outputs against its golden vectors.

    For administrators. Exit code 1 when a check fails.
    """
    with session.connect() as client:
        checks = client.verify_encoder(name)
    failed = [check.name for check in checks if not check.passed]
    if session.as_json:
        show_json({"name": name, "passed": not failed, "checks": checks})
    else:
        _show_checks(checks)
    if failed:
        raise CommandFailed(f"encoder {name!r} failed {len(failed)} of {len(checks)} checks: {', '.join(failed)}")


@app.command("delete")
@client_command
def delete_encoder(
    session: Session,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an encoder that no collection uses. For administrators."""
    with session.connect() as client:
        if not yes:
            confirm(f"Delete encoder {name} ({size(client.get_encoder(name).size_bytes)})?")
        client.delete_encoder(name)
    if session.as_json:
        show_json({"deleted": name})
    else:
        say(f"Deleted encoder {name}.")


def _row(found: "Encoder") -> tuple[object, ...]:
    return (
        found.name,
        found.modality,
        found.default_space.dimensions,
        found.max_tokens or "",
        found.device,
        size(found.size_bytes),
        found.license,
    )


def _fields(found: "Encoder") -> dict[str, object]:
    default = found.default_space
    layers = (f"{layer.name} ({layer.dimensions})" for layer in found.layers)
    prompts = (f"{name} {prefix!r}" for name, prefix in found.prompts.items())
    return {
        "Name": found.name,
        "Takes": found.modality,
        "Dimensions": default.dimensions,
        "Unit length": "yes" if default.normalize else "no",
        "Default layer": default.layer,
        "Layers": ", ".join(layers),
        "Pooling": default.pooling,
        **({"Max tokens": found.max_tokens} if found.max_tokens else {}),
        "Prompts": ", ".join(prompts) or "(none)",
        "Device": found.device,
        "Size on disk": size(found.size_bytes),
        "License": found.license or "(not stated)",
        "Source": found.source or "(not stated)",
        "Fingerprint": found.fingerprint,
    }


def _show_checks(checks: "Sequence[Check]") -> None:
    rows = ((check.name, "passed" if check.passed else "FAILED", check.detail) for check in checks)
    show_table((Column("CHECK"), Column("RESULT"), Column("DETAIL")), rows)
