import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from fake_server import fake_server
from frostline.client import AsyncClient, Client, InvalidInput, Retry, Unavailable


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", pem], check=True, capture_output=True)
    return key, pem


@pytest.fixture
def secure(certificate):
    key, pem = certificate
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), pem.read_bytes())])
    with fake_server(credentials=credentials) as fake:
        yield fake


async def test_a_server_with_a_certificate_is_reached(secure, certificate):
    with Client(secure.target, ca_certificate=certificate[1]) as client:
        assert client.list_encoders()
    async with AsyncClient(secure.target, ca_certificate=str(certificate[1]), token="t") as client:
        assert await client.list_encoders()
    assert secure.metadata[-1]["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("options", "advice"),
    [({}, "serves with TLS: connect with tls"), ({"tls": True}, "is not trusted: give ca_certificate")],
)
def test_a_server_that_cannot_prove_its_name_is_not_trusted(secure, options, advice):
    with Client(secure.target, retry=Retry(attempts=1), **options) as client:
        with pytest.raises(Unavailable, match=advice):
            client.list_encoders(timeout_seconds=5)
    assert secure.metadata == []


def test_who_expects_tls_of_a_server_without_is_told(fake):
    port = fake.target.rpartition(":")[2]
    with Client(f"127.0.0.1:{port}", tls=True, retry=Retry(attempts=1)) as client:
        with pytest.raises(Unavailable, match="without tls"):
            client.list_encoders(timeout_seconds=5)


def test_a_certificate_for_another_name_is_called_that(secure, certificate):
    port = secure.target.rpartition(":")[2]
    with Client(f"127.0.0.1:{port}", ca_certificate=certificate[1], retry=Retry(attempts=1)) as client:
        with pytest.raises(Unavailable, match="for another name: connect by one that it holds"):
            client.list_encoders(timeout_seconds=5)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"ca_certificate .*missing\.pem: No such file"):
        Client(ca_certificate=tmp_path / "missing.pem")


@pytest.mark.parametrize("token", ["secret\n", "sécret"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(token):
    with pytest.raises(InvalidInput, match=r"^token ") as refused:
        Client(token=token)
    assert token.strip() not in str(refused.value)
