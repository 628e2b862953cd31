import re
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from fake_server import fake_server
from frostline.client import AsyncClient, Client, InvalidInput, Retry, Unavailable
from frostline.client._connecting import unavailable


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


def refusal(target, **options):
    with Client(target, retry=Retry(attempts=1), **options) as client, pytest.raises(Unavailable) as caught:
        client.list_encoders(timeout_seconds=5)
    return caught.value


def check_is_one_line_with_its_cause(error):
    assert not any(raw in str(error) for raw in ("SSL", "TSI", "UNKNOWN", "failed to connect", "\n"))
    assert isinstance(error.__cause__, grpc.RpcError)
    assert "failed to connect" in error.__cause__.details()


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({}, r"closed the connection: .* serves with TLS and was asked without: give tls or ca_certificate \(--tls, "),
        ({"tls": True}, r"asked with TLS, but its certificate is not trusted: give ca_certificate \(--ca-cert"),
    ],
)
def test_a_server_that_cannot_prove_its_name_is_not_trusted(secure, options, advice):
    error = refusal(secure.target, **options)
    assert re.match(rf"{secure.target} .*{advice}", str(error))
    check_is_one_line_with_its_cause(error)
    assert secure.metadata == []


def test_who_expects_tls_of_a_server_without_is_told(fake):
    port = fake.target.rpartition(":")[2]
    error = refusal(f"127.0.0.1:{port}", tls=True)
    assert str(error).startswith(f"127.0.0.1:{port} was asked with TLS, but it serves without TLS: leave out tls")
    check_is_one_line_with_its_cause(error)


def test_a_certificate_for_another_name_is_called_that(secure, certificate):
    error = refusal(f"127.0.0.1:{secure.target.rpartition(':')[2]}", ca_certificate=certificate[1])
    assert "for another name: connect by one that it holds" in str(error)
    check_is_one_line_with_its_cause(error)


def test_an_authority_that_is_no_certificate_is_named(secure, certificate):
    error = refusal(secure.target, ca_certificate=certificate[0])
    assert "is ca_certificate (--ca-certificate) a PEM file of certificates?" in str(error)
    check_is_one_line_with_its_cause(error)


def test_an_expired_certificate_is_not_called_untrusted():
    text = "Tls handshake failed: SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: certificate has expired: OK"
    assert unavailable("far:1", text) == (
        "far:1 was asked with TLS, but its certificate has expired: the server needs a new one"
    )


def test_a_socket_that_is_not_there_is_called_that(tmp_path):
    assert "there is no such socket" in str(refusal(f"unix:{tmp_path}/frostline.sock"))


def test_what_grpc_says_is_told_where_it_is_not_known():
    assert "no server answers at far:1; `frostline serve`" in unavailable("far:1", "the moon is in the way")
    assert "the moon is in the way" in unavailable("far:1", "the moon is in the way")


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"ca_certificate .*missing\.pem: No such file"):
        Client(ca_certificate=tmp_path / "missing.pem")


@pytest.mark.parametrize("token", ["secret\n", "sécret"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(token):
    with pytest.raises(InvalidInput, match=r"^token ") as refused:
        Client(token=token)
    assert token.strip() not in str(refused.value)
