"""Asks a server whether it serves: the container's health check.

    python -m frostline.server.healthcheck [TARGET [CA_CERTIFICATE]]

TARGET is localhost:50051 when not given. A server with TLS needs the PEM file of the authority that signed its
certificate, and a target by the name in it. The exit code is 0 when grpc.health.v1 answers SERVING within 3 seconds,
else 1 with one line that says why.
"""

import sys
from pathlib import Path

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

_TARGET = "localhost:50051"
_TIMEOUT_SECONDS = 3.0


def problem(target: str = _TARGET, ca_certificate: str = "") -> str:
    """Says why a server is not healthy.

    Args:
        target: `host:port`.
        ca_certificate: PEM file of the authority a TLS server is checked against; empty for a server without TLS.

    Returns:
        One line; empty when the server is healthy.
    """
    with _channel(target, ca_certificate) as channel:
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


def _channel(target: str, ca_certificate: str) -> grpc.Channel:
    if not ca_certificate:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(Path(ca_certificate).read_bytes()))


if __name__ == "__main__":
    sys.exit(problem(*sys.argv[1:]) or 0)
