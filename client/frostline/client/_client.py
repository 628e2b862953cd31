"""The blocking door: every operation, run to its end on the blocking transport."""

from pathlib import Path
from types import TracebackType
from typing import Self

from frostline.client._blocking import BlockingTransport, run
from frostline.client._channel import Endpoint
from frostline.client._client_collections import CollectionMethods
from frostline.client._client_comparisons import ComparisonMethods
from frostline.client._client_encoders import EncoderMethods
from frostline.client._client_findings import FindingMethods
from frostline.client._client_heads import HeadMethods
from frostline.client._client_interactions import InteractionMethods
from frostline.client._client_predictions import PredictionMethods
from frostline.client._client_reads import ReadMethods
from frostline.client._client_recommendations import RecommendationMethods
from frostline.client._client_search import SearchMethods
from frostline.client._client_snapshots import SnapshotMethods
from frostline.client._client_transfer import TransferMethods
from frostline.client._client_writes import WriteMethods
from frostline.client._operations import Operations
from frostline.client._retry import Retry


class Client(
    EncoderMethods,
    CollectionMethods,
    WriteMethods,
    ReadMethods,
    SearchMethods,
    SnapshotMethods,
    HeadMethods,
    PredictionMethods,
    FindingMethods,
    TransferMethods,
    ComparisonMethods,
    InteractionMethods,
    RecommendationMethods,
):
    """Talks to a Frostline server. Safe to use from several threads.

    Every method takes `timeout_seconds` and raises from the tree in `frostline.client.errors`. The time holds for a
    whole call, retries included. An operation that is cut into several calls has that time for each; one that streams
    (`embed`, `upsert`, `upsert_vectors` and `record_interactions` of more than one batch, `upsert_batches`,
    `add_encoder`, `optimize`, `export_head`, `predict_records`, `compare_encoders`, `measure_transfer`,
    `measure_drift`, `audit_labels`, `suggest_labels`), for each answer of the server: a long job may take as long as it
    makes progress.

    Args:
        target: the server, `host:port`.
        token: sent with each call; administrative calls may need it.
        tls: whether the connection is encrypted and the server proves its name.
        ca_certificate: PEM file of the authority that signed the server's certificate, instead of the system's; implies
            `tls`.
        timeout_seconds: the deadline of calls that name none.
        retry: when a failed call is tried again.

    Raises:
        InvalidInput: `target` is no host and port, `token` cannot be sent, or `ca_certificate` cannot be read.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        token: str | None = None,
        tls: bool = False,
        ca_certificate: str | Path | None = None,
        timeout_seconds: float = 60.0,
        retry: Retry = Retry(),  # noqa: B008 - frozen, so sharing it is safe
    ) -> None:
        endpoint = Endpoint(target, token=token, tls=tls, ca_certificate=ca_certificate)
        self._operations = Operations(BlockingTransport(endpoint), retry, timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls under way in other threads fail, and later ones are refused."""
        run(self._operations.close())
