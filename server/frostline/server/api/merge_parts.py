"""What is wrong with the heads that shall be merged, told by their names."""

from collections.abc import Sequence

from frostline.server.api.convert import resource_id
from frostline.server.errors import InvalidInput
from frostline.server.heads.versions import HeadConfig
from frostline.v1 import head_service_pb2 as pb


def part_names(parts: Sequence[pb.MergePart]) -> list[str]:
    """What the heads of a request are called in messages."""
    return [
        f"head {resource_id(part.head, 'heads')!r}" if part.head else f"the archive at place {place}"
        for place, part in enumerate(parts)
    ]


def expect_each_once(parts: Sequence[pb.MergePart]) -> None:
    """Refuses a head that is named twice, or an archive that is sent twice.

    Raises:
        InvalidInput: says which.
    """
    seen: dict[tuple[str, bytes], str] = {}
    for name, part in zip(part_names(parts), parts, strict=True):
        if (part.head, part.archive) in seen:
            raise InvalidInput(
                f"{seen[part.head, part.archive]} is to be merged with itself, and its examples would count twice; "
                "name it once"
            )
        seen[part.head, part.archive] = name


def expect_one_space(parts: Sequence[pb.MergePart], configs: Sequence[HeadConfig]) -> None:
    """Refuses heads over different embeddings.

    Args:
        parts: of a request.
        configs: what was asked of each.

    Raises:
        SpaceMismatch: names two heads and their encoders.
    """
    names = [
        name + (f" of encoder {config.encoder!r}" if config.encoder else "")
        for name, config in zip(part_names(parts), configs, strict=True)
    ]
    for name, config in zip(names, configs, strict=True):
        advice = "only heads of one encoder, and of one layer of it, can be merged"
        configs[0].space.expect(config.space, names[0], name, advice)
