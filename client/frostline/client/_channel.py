"""Where the server is and how it is reached: target, TLS, token, limits, keepalive."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from frostline.client.errors import InvalidInput

REQUEST_BYTES = 3 * 1024 * 1024
"""Requests are cut at this size: below the 4 MiB that gRPC servers and proxies accept when nobody set a limit."""

_LAST_PORT = 65_535

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", -1),  # the server's limit counts, and its error names it
    ("grpc.max_receive_message_length", -1),  # answers are as large as what was asked for
    ("grpc.keepalive_time_ms", 330_000),  # a lost server is noticed in a long call; servers refuse less than 5 minutes
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),  # gRPC's 1 s would let all our retries fail without a connection
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),  # retries are decided in _retry.py, once
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server.

    Attributes:
        target: `host:port`, or another name gRPC resolves, such as `unix:/path`.
        token: sent with each call as `authorization: Bearer ...`; none when None.
        tls: whether the connection is encrypted and the server proves its name.
        ca_certificate: PEM file of the authority that signed the server's certificate; the system's when None.
    """

    target: str
    token: str | None = None
    tls: bool = False
    ca_certificate: str | Path | None = None

    def __post_init__(self) -> None:
        if ":" not in self.target or self.target.startswith(("http:", "https:")):
            raise InvalidInput(f"target {self.target!r} is no host and port; write it like 'localhost:50051'")
        port = self.target.rpartition(":")[2]
        if port.isdecimal() and not 0 < int(port) <= _LAST_PORT and not self.target.startswith(("unix", "vsock:")):
            raise InvalidInput(f"port {port} of target {self.target!r} is none; ports go from 1 to {_LAST_PORT}")
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise InvalidInput("token may hold printable ASCII only; look for a line break at its end")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What travels with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def channel(self) -> grpc.Channel:
        """Opens a channel; it connects when it is used."""
        if credentials := self._credentials():
            return grpc.secure_channel(self.target, credentials, _OPTIONS)
        return grpc.insecure_channel(self.target, _OPTIONS)

    def _credentials(self) -> grpc.ChannelCredentials | None:
        if self.ca_certificate is not None:
            return grpc.ssl_channel_credentials(_content(Path(self.ca_certificate)))
        return grpc.ssl_channel_credentials() if self.tls else None


def _content(certificate: Path) -> bytes:
    try:
        return certificate.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read ca_certificate {certificate}: {error.strerror}") from error
