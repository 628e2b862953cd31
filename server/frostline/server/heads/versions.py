"""The versions of a head at one moment, and what may become of them. Each change makes new ones; nothing is on disk.

A version is TRAINING, then READY or FAILED for good; READY ones may turn out to be damaged and are FAILED then. One
version serves: the newest that became READY, until another is chosen.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InUse, InvalidInput, NotFound, NotReady
from frostline.server.heads.fitted import TrainingOptions

KEPT = 10
"""So many of the newest versions are kept, and the one that serves, and that which served before it became ready."""


CANCELLED = "cancelled while it was trained"
"""What a version says that was broken off by a caller."""


class State(StrEnum):
    """Where a version stands."""

    TRAINING = "training"
    READY = "ready"
    FAILED = "failed"


class HeadConfig(BaseModel):
    """What was asked for.

    Attributes:
        description: what the head is for.
        encoder: name of the encoder; empty where the head takes vectors only.
        space: of the vectors it takes.
        options: how it is trained.
        descriptions: what classes are about, by label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    encoder: str = ""
    space: EmbeddingSpace
    options: TrainingOptions = TrainingOptions()
    descriptions: dict[str, str] = {}


class Asked(BaseModel):
    """What tells a request from others, so that one that is sent again begins nothing again.

    Attributes:
        request_id: of the client's choice; empty where it chose none.
        digest: of the request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str = ""
    digest: str = ""


class Version(BaseModel):
    """One version.

    Attributes:
        number: from 1; none is given twice.
        folder: its folder's name within that of the head, which nothing else ever has.
        state: where it stands.
        failure: why it failed.
        created: when it was asked for.
        train_seconds: how long training took, without embedding.
        config: what was asked for.
        asked: the request that began it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    folder: str
    state: State
    failure: str = ""
    created: datetime
    train_seconds: float = 0.0
    config: HeadConfig
    asked: Asked = Asked()

    @classmethod
    def begun(cls, number: int, config: HeadConfig, asked: Asked | None = None) -> "Version":
        """A new one."""
        folder = f"{number}.{uuid.uuid4().hex[:8]}"
        return cls(
            number=number,
            folder=folder,
            state=State.TRAINING,
            created=datetime.now(UTC),
            config=config,
            asked=asked or Asked(),
        )

    def failed(self, reason: str) -> "Version":
        """The same, failed."""
        return self.model_copy(update={"state": State.FAILED, "failure": reason})


@dataclass(frozen=True, slots=True)
class Head:
    """A head.

    Attributes:
        name: lower-case letters, digits, hyphens and underscores.
        versions: the newest first, at least one.
        serving: number of the version that predicts; 0 while there is none.
    """

    name: str
    versions: tuple[Version, ...]
    serving: int = 0

    @property
    def config(self) -> HeadConfig:
        """That of the version that serves; of the newest while none does."""
        return next((each for each in self.versions if each.number == self.serving), self.versions[0]).config

    @property
    def next_number(self) -> int:
        """The number of the next version."""
        return self.versions[0].number + 1

    def uses(self, encoder: str) -> bool:
        """Whether a version that may predict takes an encoder's vectors."""
        return any(each.config.encoder == encoder and each.state is not State.FAILED for each in self.versions)

    def version(self, number: int = 0) -> Version:
        """A version; the one that serves where the number is 0.

        Raises:
            NotFound: there is none; says why.
            InUse: none serves, and the first is being trained.
            NotReady: none serves, and none is being trained.
        """
        if not number and not self.serving:
            raise self._none_ready()
        for each in self.versions:
            if each.number == (number or self.serving):
                return each
        known = ", ".join(str(each.number) for each in self.versions)
        raise NotFound(f"head {self.name!r} has no version {number}; it has {known}")

    def ready_version(self, number: int = 0) -> Version:
        """A version that can predict; the one that serves where the number is 0.

        Raises:
            NotFound: there is none.
            InUse: it is being trained.
            NotReady: it failed; says why.
        """
        version = self.version(number)
        if version.state is State.TRAINING:
            raise InUse(f"version {version.number} of head {self.name!r} is being trained; wait until it is ready")
        if version.state is State.FAILED:
            raise NotReady(f"version {version.number} of head {self.name!r} failed: {version.failure}")
        return version

    def expect_idle(self) -> None:
        """Refuses a second training beside one.

        Raises:
            InUse: the newest version is being trained.
        """
        if self.versions[0].state is State.TRAINING:
            raise InUse(
                f"version {self.versions[0].number} of head {self.name!r} is being trained; wait until it is ready, or "
                "cancel it (`cancel_head`, `frostline heads cancel`): what serves goes on"
            )

    def expect_wanted(self, version: Version) -> None:
        """Refuses what comes of a version too late.

        Raises:
            NotFound: it was deleted or cancelled.
        """
        found = next((each for each in self.versions if each.folder == version.folder), None)
        if found is None or found.failure == CANCELLED:
            raise NotFound(f"version {version.number} of head {self.name!r} was {'cancelled' if found else 'deleted'}")

    def answers(self, asked: Asked) -> bool:
        """Whether a version was begun by a request already.

        Raises:
            InvalidInput: one was begun by another request of the same id.
        """
        for version in self.versions:
            if asked.request_id and version.asked.request_id == asked.request_id:
                if version.asked != asked:
                    raise InvalidInput(
                        f"request id {asked.request_id!r} was used for another request; choose a new one for each"
                    )
                return True
        return False

    def with_version(self, version: Version) -> "Head":
        """Adds a version, or replaces the one of its number."""
        others = [each for each in self.versions if each.number != version.number]
        versions = sorted([version, *others], key=lambda each: -each.number)
        return replace(self, versions=tuple(versions))

    def finished(self, version: Version, train_seconds: float) -> "Head":
        """A version is ready, and serves."""
        ready = version.model_copy(update={"state": State.READY, "train_seconds": train_seconds})
        return replace(self.with_version(ready), serving=version.number)._pruned(self.serving)

    def failed(self, version: Version, reason: str) -> "Head":
        """A version failed. Where it served, the latest ready one before it does, or else the latest of all."""
        head = self.with_version(version.failed(reason))
        if version.number == self.serving:
            ready = head._ready()
            head = replace(head, serving=next((each for each in ready if each < self.serving), max(ready, default=0)))
        return head._pruned(head.serving)

    def cancelled(self) -> "Head":
        """The newest version is not trained any more; the same where it was cancelled before.

        Raises:
            NotReady: it is not being trained.
        """
        newest = self.versions[0]
        if newest.failure == CANCELLED:
            return self
        if newest.state is not State.TRAINING:
            raise NotReady(f"head {self.name!r} is not being trained; version {newest.number} is {newest.state}")
        return self.failed(newest, CANCELLED)

    def rolled_back(self, number: int = 0) -> "Head":
        """Another version serves.

        Args:
            number: of the version; the latest ready one before the one that serves where it is 0.

        Raises:
            NotFound: there is no such version.
            NotReady: it is not ready, or there is none before.
        """
        ready = self._ready()
        if not number:
            number = next((each for each in ready if each < self.serving), 0)
            if not number:
                raise NotReady(f"head {self.name!r} has no ready version before version {self.serving}; name another")
        elif (version := self.version(number)).state is not State.READY:
            known = ", ".join(map(str, ready)) or "none"
            raise NotReady(f"version {number} of head {self.name!r} is {version.state}; those that are ready: {known}")
        return replace(self, serving=number)

    def _none_ready(self) -> InUse | NotReady:
        newest = self.versions[0]
        if newest.state is State.TRAINING:
            return InUse(f"head {self.name!r} is being trained for the first time; wait until it is ready")
        return NotReady(
            f"head {self.name!r} has no version that is ready; version {newest.number} failed: {newest.failure}"
        )

    def _ready(self) -> list[int]:
        return [each.number for each in self.versions if each.state is State.READY]

    def _pruned(self, served: int) -> "Head":
        """Without old versions, but with the one that served till now, so that there is a way back."""
        also = {self.serving, served}
        kept = [each for place, each in enumerate(self.versions) if place < KEPT or each.number in also]
        return replace(self, versions=tuple(kept))
