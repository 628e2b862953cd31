"""Encoders of the fake server: one, which hashes."""

import hashlib
from collections import defaultdict

import numpy as np

from fake_calls import Calls, Code, fails, item_error
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import encoder_service_pb2 as encoders_v1
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceServicer
from frostline.wire import tensors
from frostline.wire.reasons import Reason

DIMENSIONS = 4
SPACE = v1.EmbeddingSpace(fingerprint="f" * 64, layer="pooled", pooling=v1.POOLING_MEAN, dimensions=4, normalize=True)


def embedding(content: bytes) -> np.ndarray:
    """What the fake makes of a text or image: a vector of unit length that depends on every byte."""
    vector = np.frombuffer(hashlib.sha256(content).digest()[:DIMENSIONS], np.uint8).astype(np.float32) - 127.5
    return vector / np.linalg.norm(vector)


class FakeEncoders(Calls, EncoderServiceServicer):
    """Embeds with `tiny`, and takes in what is added.

    Attributes:
        encoders: those there are, by name.
        files: what was sent to add one, by path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoders = {"tiny": self._encoder("tiny")}
        self.files: defaultdict[str, bytes] = defaultdict(bytes)

    def _encoder(self, name: str) -> encoders_v1.Encoder:
        return encoders_v1.Encoder(
            name=f"encoders/{name}",
            modality=encoders_v1.MODALITY_TEXT,
            fingerprint=SPACE.fingerprint,
            default_space=SPACE,
            layers=[encoders_v1.Layer(name="pooled", dimensions=DIMENSIONS)],
            max_tokens=256,
            prompts={"query": "query: "},
            license="Apache-2.0",
            source="memory",
            device="cpu",
            size_bytes=12,
        )

    def ListEncoders(self, request, context):
        self._enter("ListEncoders", request, context)
        page, token = self._page(sorted(self.encoders), request.page_token)
        return encoders_v1.ListEncodersResponse(encoders=[self.encoders[name] for name in page], next_page_token=token)

    def GetEncoder(self, request, context):
        self._enter("GetEncoder", request, context)
        name = request.name.removeprefix("encoders/")
        if name not in self.encoders:
            fails(Code.NOT_FOUND, f"no encoder {name!r}", Reason.NOT_FOUND)(context)
        return self.encoders[name]

    def Embed(self, request, context):
        self._enter("Embed", request, context)
        return self._embed(request, context)

    def EmbedStream(self, request_iterator, context):
        return self._stream("EmbedStream", request_iterator, context, self._embed)

    def _embed(self, request, context):
        if request.encoder != "encoders/tiny":
            fails(Code.NOT_FOUND, f"no encoder {request.encoder!r}", Reason.NOT_FOUND)(context)
        rows = np.zeros((len(request.inputs), DIMENSIONS), np.float32)
        errors = []
        for index, item in enumerate(request.inputs):
            if item.text == "bad":
                errors.append(item_error(index))
            elif item.WhichOneof("kind") == "vector":
                rows[index] = np.frombuffer(item.vector.data, "<f4")
            else:
                rows[index] = embedding(item.image or item.text.encode())
        return encoders_v1.EmbedResponse(
            embeddings=tensors.encode(rows, request.options.dtype),
            errors=errors,
            space=SPACE,
            token_counts=[len(item.text.split()) for item in request.inputs],
            truncated=[len(item.text) > 50 for item in request.inputs],
            timings=v1.Timings(inference_seconds=0.5),
        )

    def AddEncoder(self, request_iterator, context):
        self._begin("AddEncoder", context)
        received = 0
        Response = encoders_v1.AddEncoderResponse
        for request in request_iterator:
            self.requests.append(("AddEncoder", request))
            if request.WhichOneof("kind") == "spec":
                spec = request.spec
                if spec.encoder_id in self.encoders:
                    fails(Code.ALREADY_EXISTS, f"{spec.encoder_id!r} exists", Reason.ALREADY_EXISTS)(context)
                continue
            self.files[request.chunk.path] += request.chunk.data
            received += len(request.chunk.data)
            yield Response(state=Response.STATE_RECEIVING, received_bytes=received)
        if received != spec.total_bytes:
            fails(Code.INVALID_ARGUMENT, f"{received} of {spec.total_bytes} bytes", Reason.INVALID_INPUT)(context)
        for state in (Response.STATE_BUILDING, Response.STATE_VERIFYING):
            yield Response(state=state)
        self.encoders[spec.encoder_id] = self._encoder(spec.encoder_id)
        yield Response(
            state=Response.STATE_READY,
            encoder=self.encoders[spec.encoder_id],
            checks=[encoders_v1.Check(name="golden", passed=True, detail="largest difference 0")],
        )

    def VerifyEncoder(self, request, context):
        self._enter("VerifyEncoder", request, context)
        return encoders_v1.VerifyEncoderResponse(checks=[encoders_v1.Check(name="files", passed=False, detail="a")])

    def DeleteEncoder(self, request, context):
        self._enter("DeleteEncoder", request, context)
        return encoders_v1.DeleteEncoderResponse()
