"""Asks a server whether it serves: the container's health check.

    python -m frostline.server.healthcheck [TARGET [CA_CERTIFICATE]]

Without arguments it asks the server that was started with the same settings (environment, frostline.toml), wherever
that answers. A server with TLS named by its target needs the PEM file of the authority that signed its certificate, and
a target by the name in it. The exit code is 0 when grpc.health.v1 answers SERVING within 3 seconds, else 1 with one
line that says why.
"""

import json
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from frostline.server.errors import FrostlineError
from frostline.server.settings import Settings, load

_TIMEOUT_SECONDS = 3.0


def problem(target: str, ca_certificate: str = "", name: str = "") -> str:
    """Says why a server is not healthy.

    Args:
        target: `host:port`, or `unix:` and the path of a socket.
        ca_certificate: PEM file of the authority a TLS server is checked against; empty for a server without TLS.
        name: the one its certificate must have; empty for the host.

    Returns:
        One line; empty when the server is healthy.
    """
    with _channel(target, ca_certificate, name) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        try:
            answer = check(HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return f"{target}: {error.code().name}"
    status = HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if status == "SERVING" else f"{target}: {status}"


def own_problem(settings: Settings) -> str:
    """Says why the server with these settings is not healthy; see `problem`.

    Args:
        settings: the server's own; its certificate is trusted whatever name it has, since that need not be this host.
    """
    try:
        target = str(json.loads(settings.announcement.read_text())["target"])
        if settings.tls_certificate is None:
            return problem(target)
        return problem(target, str(settings.tls_certificate), _certified_name(target, settings.tls_certificate))
    except FileNotFoundError as error:
        return f"no server answers: {error.filename} is missing"
    except OSError as error:
        return f"no server answers: {error}"


def _certified_name(target: str, certificate: Path) -> str:
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    with _connected(target) as plain:
        with context.wrap_socket(plain) as secured:
            names = cast(Any, secured.getpeercert() or {}).get("subjectAltName", ())
    return str(names[0][1]).replace("*", "any") if names else ""


def _connected(target: str) -> socket.socket:
    if target.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(target.removeprefix("unix:"))
        return connection
    host, _, port = target.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_SECONDS)


def _channel(target: str, ca_certificate: str, name: str) -> grpc.Channel:
    if not ca_certificate:
        return grpc.insecure_channel(target)
    credentials = grpc.ssl_channel_credentials(Path(ca_certificate).read_bytes())
    return grpc.secure_channel(target, credentials, [("grpc.ssl_target_name_override", name)] if name else [])


def main(arguments: Sequence[str]) -> str:
    """Asks the server that the arguments name, or the one with this process's settings.

    Args:
        arguments: a target and a certificate, or none.

    Returns:
        One line that says why it is not healthy; empty when it is.
    """
    try:
        return problem(*arguments) if arguments else own_problem(load())
    except FrostlineError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
