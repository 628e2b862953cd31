"""`frostline index`."""

from frostline.cli.session import Session, client_command


@client_command
def index(session: Session) -> None:
    """Index."""
