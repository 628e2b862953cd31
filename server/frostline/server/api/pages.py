"""Page tokens: opaque to callers, good only for the request they were given for."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from frostline.server.errors import InvalidInput

T = TypeVar("T")

DEFAULT_SIZE = 100
LARGEST = 1000
_LONGEST_TOKEN = 1 << 12
_HIGHEST = (1 << 63) - 1


class Page:
    """What a list request asks for.

    Args:
        request: a request with `page_size` and `page_token`.
        start: where the first page begins.

    Attributes:
        size: the most items to return.
        start: the position this page begins at.

    Raises:
        InvalidInput: the size is out of range, or the token belongs to another request.
    """

    def __init__(self, request: Message, start: int | str) -> None:
        asked: Any = request
        if not 0 <= asked.page_size <= LARGEST:
            raise InvalidInput(
                f"page_size {asked.page_size} is out of range; ask for 1 to {LARGEST}, or 0 for {DEFAULT_SIZE}"
            )
        self.size: int = asked.page_size or DEFAULT_SIZE
        self._digest = _digest(request)
        self.start = self._open(asked.page_token, type(start)) if asked.page_token else start

    def cut(self, rest: Sequence[T], position: Callable[[T], str]) -> tuple[Sequence[T], str]:
        """The items of this page, and the token of the next; empty where there is none.

        Args:
            rest: the items from the start of the page on.
            position: says where a page begins that begins with an item.
        """
        more = self.token(position(rest[self.size])) if len(rest) > self.size else ""
        return rest[: self.size], more

    def token(self, position: int | str) -> str:
        """A token for the page that begins at a position."""
        return base64.urlsafe_b64encode(json.dumps([position, self._digest]).encode()).decode()

    def _open(self, token: str, kind: type[int] | type[str]) -> int | str:
        # Whatever a caller made up: garbage, JSON of any depth, a position that no page ever had.
        try:
            if len(token) > _LONGEST_TOKEN:
                raise ValueError(f"{len(token)} characters")
            position, digest = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(
                f"page_token {token[:40]!r} is not one of this server's; start again without it"
            ) from error
        if digest != self._digest:
            raise InvalidInput("page_token belongs to another request; repeat the parameters it was given for")
        if type(position) is not kind or (isinstance(position, int) and not 0 <= position <= _HIGHEST):
            raise InvalidInput(f"page_token {token[:40]!r} names no place in the list; start again without it")
        return position


def _digest(request: Message) -> str:
    parameters = type(request)()
    parameters.CopyFrom(request)
    parameters.ClearField("page_size")
    parameters.ClearField("page_token")
    content = parameters.DESCRIPTOR.full_name.encode() + parameters.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:16]
