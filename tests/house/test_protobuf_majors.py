"""Checked-in generated code must run on every protobuf the project allows, on both sides of the wire."""

import pytest

from trees import copy_project, fresh_python, succeed

pytestmark = pytest.mark.full

ROUND_TRIP = """
import google.protobuf, grpc, numpy as np
from frostline.v1.embedding_pb2 import Tensor
from frostline.wire.tensors import decode, encode

array = np.arange(6, dtype=np.float32).reshape(2, 3)
assert (decode(Tensor.FromString(encode(array).SerializeToString())) == array).all()
print(google.protobuf.__version__, grpc.__version__)
"""
# A collection of plain vectors needs no encoder, and so no weights.
SERVED = """
import sys
import numpy as np
from serving import running_server
from frostline.client import Client

with running_server(sys.argv[1], encoders="") as server, Client(server.target) as client:
    client.create_collection("plain", dimensions=3)
    client.upsert_vectors("plain", ["a", "b"], np.eye(2, 3, dtype=np.float32), [{"n": 1}, {"n": 2}])
    print([(hit.id, hit.payload) for hit in client.search("plain", np.array([0, 1, 0], np.float32), limit=1)])
"""


@pytest.mark.parametrize(
    ("pins", "versions"),
    [(["protobuf==6.31.1", "grpcio==1.74.0"], "6.31.1 1.74.0"), (["protobuf>=7,<8", "grpcio"], "7.")],
    ids=["oldest", "newest"],
)
def test_client_and_server_run_on_both_protobuf_majors(tmp_path, pins, versions):
    tree = copy_project(tmp_path / "tree")
    python = fresh_python(tmp_path / "venv")
    succeed([python, "-m", "pip", "install", *pins, ".[server]"], tree)
    assert succeed([python, "-c", ROUND_TRIP], tmp_path).startswith(versions)
    served = succeed([python, "-c", SERVED, str(tmp_path / "data")], tmp_path, PYTHONPATH=str(tree / "tests"))
    assert served.strip() == "[('b', {'n': 2})]"
