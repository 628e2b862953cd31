"""The server as a process: how it starts, what it says, how it stops."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from frostline.client import Client
from frostline.server.__main__ import main
from frostline.server.encoders.registry import Registry
from frostline.v1.collection_service_pb2_grpc import CollectionServiceStub
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceStub
from frostline.v1.record_service_pb2_grpc import RecordServiceStub
from raw import create_request, detail, embed_request, record, rows, upsert_request
from serving import ServerFailed, running_server, start_server
from tiny import tiny_bert

ROOMS = ["Encoder", "Collection", "Record", "Search", "Snapshot"]
SERVICES = ["", *(f"frostline.v1.{room}Service" for room in ROOMS)]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def run_server(*arguments, cwd):
    """Runs a server that should not start; returns the finished process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FROSTLINE_")}
    command = [sys.executable, "-m", "frostline.server", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


def refused_in_one_line(process, *expected):
    assert process.returncode == 1
    one_line(process.stderr, *expected)


def one_line(text, *expected):
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    for part in expected:
        assert part in lines[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server that is not stopped, and its folder."""
    folder = tmp_path_factory.mktemp("running")
    with running_server(folder, encoders=[]) as server:
        yield server, folder


def health(channel, service=""):
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service)).status


def test_a_server_announces_itself_is_healthy_and_lists_its_services(tmp_path):
    with running_server(tmp_path / "data", encoders=[]) as server:
        announced = json.loads((tmp_path / "data" / "server.json").read_text())
        assert announced == {"pid": server.pid, "target": server.target}
        with grpc.insecure_channel(server.target) as channel:
            assert [health(channel, service) for service in SERVICES] == [SERVING] * 6
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]))
            listed = {service.name for service in answer.list_services_response.service}
            assert {*SERVICES[1:], "grpc.health.v1.Health"} <= listed
    assert not (tmp_path / "data" / "server.json").exists()
    assert server.process.returncode == 0
    assert "Traceback" not in server.log()


def test_a_second_server_on_the_same_folder_is_refused_by_name_of_the_first(running, tmp_path):
    server, data = running
    second = run_server("--port", 0, "--data-dir", data, "--encoders", "", cwd=tmp_path)
    refused_in_one_line(second, str(server.pid), str(data))
    assert json.loads((data / "server.json").read_text())["pid"] == server.pid
    with grpc.insecure_channel(server.target) as channel:
        assert health(channel) == SERVING


def test_a_port_that_is_taken_is_refused_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run_server("--port", port, "--data-dir", tmp_path / "data", "--encoders", "", cwd=tmp_path)
    refused_in_one_line(process, str(port))
    assert not (tmp_path / "data" / "server.json").exists()


def test_two_servers_never_share_a_port(running, tmp_path):
    port = running[0].target.rpartition(":")[2]
    process = run_server("--port", port, "--data-dir", tmp_path / "two", "--encoders", "", cwd=tmp_path)
    refused_in_one_line(process, port)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "many"], ["port", "many"]),
        (["--config", "missing.toml"], ["missing.toml"]),
        (["--tls-certificate", "missing.pem", "--tls-key", "missing.key"], ["tls_certificate", "missing.pem"]),
        (["--data-dir", "file/data"], ["data_dir", "file/data"]),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(tmp_path, monkeypatch, capfd, arguments, expected):
    """In this process: what becomes of the line and the exit code, the refusals above show."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FROSTLINE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "file").write_text("not a folder")
    logger = logging.getLogger("frostline")
    level = logger.level
    try:
        assert main(["--data-dir", str(tmp_path / "data"), "--log-level", "warning", *arguments]) == 1
    finally:
        logger.setLevel(level)
    one_line(capfd.readouterr().err, *expected)


def test_an_encoder_that_cannot_be_provided_is_a_warning_and_the_server_starts(tmp_path):
    with running_server(tmp_path / "data", encoders=["nobody-has-this"]) as server:
        assert "nobody-has-this" in server.log()
        assert "WARNING" in server.log()


def with_tiny(folder):
    registry = Registry(folder / "data" / "encoders")
    registry.install("tiny", tiny_bert(folder / "checkpoint"))
    registry.close()
    return folder / "data"


def test_a_stopping_server_finishes_what_it_accepted(tmp_path):
    """Long calls are under way when SIGTERM comes; all get their answer, new ones are refused, the exit code is 0."""
    data = with_tiny(tmp_path)
    with running_server(data, encoders=[], max_waiting_inputs=100_000) as server:
        with grpc.insecure_channel(server.target) as channel:
            embed = EncoderServiceStub(channel).Embed
            calls = [embed.future(embed_request(*["cat " * 60] * 400)) for _ in range(4)]
            embed(embed_request("x"))  # so that the calls before it are accepted
            assert not all(call.done() for call in calls)
            server.signal(signal.SIGTERM)
            give_up = time.monotonic() + 20
            while server.process.poll() is None and (data / "server.json").exists() and time.monotonic() < give_up:
                time.sleep(0.01)
            assert all(rows(call.result()).any(axis=1).all() for call in calls)
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log()


def test_a_stopping_server_is_not_healthy_and_ends_streams_after_what_they_sent(tmp_path):
    with running_server(tmp_path / "data", encoders=[]) as server, grpc.insecure_channel(server.target) as channel:
        CollectionServiceStub(channel).CreateCollection(create_request(dimensions=3))
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICES[3]))
        assert next(watch).status == SERVING
        over = threading.Event()

        def requests():
            yield upsert_request(record("1", vector=[1, 2, 3]))
            over.wait(60)

        answers = RecordServiceStub(channel).StreamUpsertRecords(requests())
        assert next(answers).upserted_count == 1
        server.signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as error:
            next(answers)
        over.set()
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        assert detail(error.value).reason == "SHUTTING_DOWN"  # said by the server, and not by the end of its grace
        assert server.process.wait(20) == 0


def test_a_stopping_server_does_not_wait_for_streams_that_nobody_uses(tmp_path):
    with running_server(tmp_path / "data", encoders=[], grace_seconds=60) as server, Client(server.target) as client:
        client.create_collection("notes", dimensions=3)
        assert not client.search("notes", np.ones(3, np.float32))
        server.signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


def test_a_socket_file_serves_programs_of_this_machine(tmp_path):
    path = tmp_path / "frostline.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with running_server(tmp_path / "data", encoders=[], host=f"unix:{path}") as server, Client(server.target) as client:
        assert server.target == f"unix:{path}"
        client.create_collection("notes", dimensions=3)
        client.upsert_vectors("notes", ["1"], np.ones((1, 3), np.float32))
        assert client.search("notes", np.ones(3, np.float32))[0].id == "1"
        with pytest.raises(ServerFailed, match=f"another server listens on socket {path}"):
            start_server(tmp_path / "other", encoders=[], host=f"unix:{path}")
        assert len(client.search("notes", np.ones(3, np.float32))) == 1
        server.signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing/s.sock", "has no folder; make"),
        ("file", "a file of another kind"),
        ("x" * 120, "more than 107 bytes"),
        ("a%20b", "holds %; choose one without"),
        ("/proc/x.sock", "cannot listen on socket /proc/x.sock"),
    ],
)
def test_a_socket_that_cannot_be_listened_on_is_an_error_of_one_line(tmp_path, path, said):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ServerFailed, match=said) as error:
        start_server(tmp_path / "data", encoders=[], host=f"unix:{tmp_path / path}")
    assert "Traceback" not in str(error.value)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_second_signal_stops_at_once(tmp_path):
    data = with_tiny(tmp_path)
    server = start_server(data, encoders=[], max_waiting_inputs=100_000, grace_seconds=60)
    with grpc.insecure_channel(server.target) as channel:
        embed = EncoderServiceStub(channel).Embed
        calls = [embed.future(embed_request(*["cat " * 60] * 5_000)) for _ in range(8)]
        embed(embed_request("x"))
        server.signal(signal.SIGINT)
        give_up = time.monotonic() + 20
        while "another signal" not in server.log() and time.monotonic() < give_up:
            time.sleep(0.01)
        server.signal(signal.SIGINT)
        assert server.process.wait(20) == 1
        assert not all(call.done() and call.code() == grpc.StatusCode.OK for call in calls)
    assert not (data / "server.json").exists()


def test_tls_serves_those_who_trust_its_certificate(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    settings = {"encoders": [], "tls_certificate": certificate, "tls_key": key, "host": "localhost"}
    with running_server(tmp_path / "data", **settings) as server:
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(server.target, credentials) as channel:
            assert health(channel) == SERVING
        with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError):
            health(channel)
