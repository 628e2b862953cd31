import json
import os
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


def check(*arguments, **settings):
    command = [sys.executable, "-m", "frostline.server.healthcheck", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FROSTLINE_")}
    environment |= {f"FROSTLINE_{name.upper()}": str(value) for name, value in settings.items()}
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
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


def test_without_arguments_the_server_with_the_same_settings_is_asked(tmp_path):
    code, message = check(data_dir=tmp_path)
    assert code == 1
    assert "server.json" in message
    with serving() as (health, target):
        (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "target": target}))
        assert check(data_dir=tmp_path) == (0, "")
        health.enter_graceful_shutdown()
        assert check(data_dir=tmp_path) == (1, f"{target}: NOT_SERVING\n")
    code, message = check(data_dir=tmp_path, port="many")
    assert code == 1
    assert len(message.splitlines()) == 1


def certify(folder, name):
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2", "-nodes"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


def test_a_server_with_tls_is_checked_against_its_authority(tmp_path):
    key, certificate = certify(tmp_path, "localhost")
    with serving(grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])) as (_, target):
        assert check(target, str(certificate)) == (0, "")
        assert check(target)[0] == 1


@pytest.mark.parametrize("name", ["frostline.example.org", "*.example.org"])
def test_without_arguments_a_server_with_tls_is_asked_whatever_its_certificate_names(tmp_path, name):
    key, certificate = certify(tmp_path, name)
    with serving(grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])) as (_, target):
        (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "target": target}))
        assert check(data_dir=tmp_path, tls_certificate=certificate, tls_key=key) == (0, "")
        assert check(data_dir=tmp_path)[0] == 1
