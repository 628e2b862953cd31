"""Where a server listens: a host and port, or a socket file for programs on the same machine."""

import socket
from pathlib import Path

from frostline.server.errors import InvalidInput

UNIX = "unix:"
_LONGEST_PATH = 107
"""Bytes of a socket's path; Linux has room for no more."""
_SPECIAL = frozenset("%?#")
"""gRPC reads a path as that of a URI, in which these mean something."""


def is_socket(host: str) -> bool:
    """Whether a host is `unix:` and the path of a socket file."""
    return host.startswith(UNIX)


def listening_address(host: str, port: int) -> str:
    """What gRPC shall listen on, found free.

    gRPC itself would write its own lines to stderr, not say why, and take a socket file from who listens on it.

    Args:
        host: an address, a name, or `unix:` and a path.
        port: of an address; 0 takes a free one. A socket has none.

    Raises:
        InvalidInput: it cannot be listened on; says why.
    """
    if host == UNIX:
        raise InvalidInput(f"host {UNIX!r} names no socket file; write {UNIX}/path/of.sock")
    if is_socket(host):
        return UNIX + str(_free_path(Path(host.removeprefix(UNIX))))
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier server may linger
            probe.bind(address)
    except OSError as error:
        raise InvalidInput(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another host, or port (0 takes a free one)"
        ) from error
    return _joined(host, port)


def client_target(host: str, port: int) -> str:
    """What clients on the same machine connect to.

    Args:
        host: as the server was given it.
        port: that it listens on.
    """
    if is_socket(host):
        return UNIX + str(Path(host.removeprefix(UNIX)).absolute())
    return f"localhost:{port}" if host in ("0.0.0.0", "::") else _joined(host, port)


def remove_socket(host: str) -> None:
    """Removes the socket file of a server that has stopped, if it has one; gRPC leaves it."""
    if is_socket(host):
        Path(host.removeprefix(UNIX)).unlink(missing_ok=True)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _free_path(path: Path) -> Path:
    path = path.absolute()
    if len(bytes(path)) > _LONGEST_PATH:
        raise InvalidInput(f"socket path {path} has more than {_LONGEST_PATH} bytes; choose a shorter one")
    if special := _SPECIAL & set(str(path)):
        raise InvalidInput(f"socket path {path} holds {' '.join(sorted(special))}; choose one without")
    if not path.parent.is_dir():
        raise InvalidInput(f"socket {path} has no folder; make {path.parent}, or choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):  # nothing, or what a killed server left
            pass
        except OSError as error:
            raise InvalidInput(f"cannot listen on socket {path}: {error.strerror}; choose another path") from error
        else:
            raise InvalidInput(f"another server listens on socket {path}; stop it, or choose another path")
    if path.exists() and not path.is_socket():
        raise InvalidInput(f"cannot listen on socket {path}: it is a file of another kind; choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            path.unlink(missing_ok=True)
            probe.bind(str(path))
            path.unlink()
        except OSError as error:
            raise InvalidInput(f"cannot listen on socket {path}: {error.strerror}; choose another path") from error
    return path
