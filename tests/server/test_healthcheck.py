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

from frostline.server import healthcheck


@contextmanager
def serving(credentials=None, address="localhost:0"):
    """A bare server with the standard health service; yields the service and the target."""
    server = grpc.server(ThreadPoolExecutor(1))
    health = HealthServicer()
    add_HealthServicer_to_server(health, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield health, address if address.startswith("unix:") else f"localhost:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture(autouse=True)
def without_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FROSTLINE_")]:
        monkeypatch.delenv(name)


def problem(*arguments, **settings):
    """What the check says, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(f"FROSTLINE_{name.upper()}", str(value))
        return healthcheck.main(arguments)


def test_a_healthy_server_is_exit_code_0_and_an_absent_one_is_one_line_and_1():
    def check(target):
        command = [sys.executable, "-m", "frostline.server.healthcheck", target]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return result.returncode, result.stdout, result.stderr

    with serving() as (health, target):
        health.set("", HealthCheckResponse.SERVING)
        assert check(target) == (0, "", "")
    assert check("localhost:1") == (1, "", "localhost:1: UNAVAILABLE\n")


def test_a_stopping_server_is_not_healthy():
    with serving() as (health, target):
        health.enter_graceful_shutdown()
        assert problem(target) == f"{target}: NOT_SERVING"


def test_without_arguments_the_server_with_the_same_settings_is_asked(tmp_path):
    assert "server.json" in problem(data_dir=tmp_path)
    with serving() as (health, target):
        (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "target": target}))
        assert problem(data_dir=tmp_path) == ""
        health.enter_graceful_shutdown()
        assert problem(data_dir=tmp_path) == f"{target}: NOT_SERVING"
    assert len(problem(data_dir=tmp_path, port="many").splitlines()) == 1


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
        assert problem(target, str(certificate)) == ""
        assert problem(target)


@pytest.mark.parametrize("address", ["localhost:0", "unix:s.sock"])
@pytest.mark.parametrize("name", ["frostline.example.org", "*.example.org"])
def test_without_arguments_a_server_with_tls_is_asked_whatever_its_certificate_names(tmp_path, name, address):
    key, certificate = certify(tmp_path, name)
    pair = key.read_bytes(), certificate.read_bytes()
    with serving(grpc.ssl_server_credentials([pair]), address) as (_, target):
        (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "target": target}))
        assert problem(data_dir=tmp_path, tls_certificate=certificate, tls_key=key) == ""
        assert problem(data_dir=tmp_path)
