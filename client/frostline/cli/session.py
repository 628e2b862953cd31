"""The options by which every client command finds its server, in one place."""

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from frostline.cli.failure import one_line_errors

if TYPE_CHECKING:
    from frostline.client import Client

P = ParamSpec("P")

PANEL = "Connection and output"
"""Heading of these options in the help."""


def _connection_options(
    target: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            envvar="FROSTLINE_TARGET",
            help="Address of the server; or unix:/path/of.sock.",
            rich_help_panel=PANEL,
        ),
    ] = "localhost:50051",
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="FROSTLINE_TOKEN",
            help="Administrator's token; needed to add, verify or delete encoders where the server has one.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option("--tls", envvar="FROSTLINE_TLS", help="Encrypt the connection.", rich_help_panel=PANEL),
    ] = False,
    ca_certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="FROSTLINE_CA_CERTIFICATE",
            help="PEM file of the authority behind the server's certificate; means --tls.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="When a call is given up.", min=0.001, rich_help_panel=PANEL),
    ] = 60.0,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON for programs.", rich_help_panel=PANEL),
    ] = False,
) -> None: ...


_OPTIONS = tuple(
    option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for option in inspect.signature(_connection_options).parameters.values()
)


@dataclass(frozen=True, slots=True)
class Session:
    """What a client command knows about its server and its reader.

    Attributes:
        target: address of the server.
        token: the administrator's token.
        tls: whether the connection is encrypted.
        ca_certificate: PEM file of the authority that signed the server's certificate.
        timeout_seconds: after this a call is given up.
        as_json: whether a program reads the output.
    """

    target: str
    token: str | None
    tls: bool
    ca_certificate: Path | None
    timeout_seconds: float
    as_json: bool

    def connect(self) -> "Client":
        """A client of the server; close it, or use it in a `with` statement."""
        return connect(
            self.target,
            token=self.token,
            tls=self.tls,
            ca_certificate=self.ca_certificate,
            timeout_seconds=self.timeout_seconds,
        )


def connect(
    target: str,
    *,
    token: str | None = None,
    tls: bool = False,
    ca_certificate: Path | None = None,
    timeout_seconds: float = 60.0,
) -> "Client":
    """Makes a client whose gRPC writes nothing of its own to stderr; see `Client` for the arguments."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read once, when gRPC is loaded
    from frostline.client import Client

    return Client(target, token=token, tls=tls, ca_certificate=ca_certificate, timeout_seconds=timeout_seconds)


def client_command(run: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Makes a command of a function: the options of the connection take the place of its first parameter.

    Args:
        run: takes a session and the command's own parameters.

    Returns:
        A function for typer.
    """
    signature = inspect.signature(run)
    own = [parameter for name, parameter in signature.parameters.items() if name != "session"]

    @functools.wraps(run)
    @one_line_errors
    def command(*args: P.args, **options: P.kwargs) -> None:
        rest: dict[str, Any] = dict(options)
        taken = {option.name: rest.pop(option.name) for option in _OPTIONS}
        session = Session(timeout_seconds=taken.pop("timeout"), **taken)
        run(session, *args, **rest)

    command.__signature__ = signature.replace(parameters=[*own, *_OPTIONS])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *_OPTIONS)}
    return command
