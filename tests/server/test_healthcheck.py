import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server


@contextmanager
def serving(credentials=None):
    """A bare server with the standard health service; yields the service and the target."""
    server = grpc.server(ThreadPoolExecutor(1))
    health = HealthServicer()
    add_HealthServicer_to_server(health, server)
    port = (
        server.add_secure_port("localhost:0", credentials) if credentials else server.add_insecure_port("localhost:0")
    )
    server.start()
    try:
        yield health, f"localhost:{port}"
    finally:
        server.stop(None).wait()


def check(*arguments):
    command = [sys.executable, "-m", "frostline.server.healthcheck", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.stdout == ""
    return result.returncode, result.stderr


def test_a_serving_server_is_healthy():
    with serving() as (health, target):
        health.set("", HealthCheckResponse.SERVING)
        assert check(target) == (0, "")


def test_a_stopping_server_is_not_healthy():
    with serving() as (health, target):
        health.enter_graceful_shutdown()
        assert check(target) == (1, f"{target}: NOT_SERVING\n")


def test_an_absent_server_is_not_healthy():
    assert check("localhost:1") == (1, "localhost:1: UNAVAILABLE\n")


def test_a_server_with_tls_is_checked_against_its_authority(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-nodes"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    with serving(grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])) as (_, target):
        assert check(target, str(certificate)) == (0, "")
        assert check(target)[0] == 1
