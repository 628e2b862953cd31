"""`frostline demo`: the main job from start to end, on texts that every machine with Python has."""

import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from frostline.cli.failure import one_line_errors
from frostline.cli.local_server import local_server
from frostline.cli.output import console, duration, plain, show
from frostline.cli.progress import progress
from frostline.cli.session import connect

if TYPE_CHECKING:
    from frostline.client import Client, Hit, SearchResults

QUERIES = (
    "read a file line by line",
    "sort a list with a custom key",
    "run another program and capture its output",
    "parse command line options",
    "compress data with zip",
    "pick a random element",
    "difference between two dates",
    "match text against a pattern",
    "send an email",
    "remember results of expensive calls",
)
LIMIT = 5

_COLLECTION = "python-docs"
_ENCODER = "all-minilm-l6-v2"
_WIDTH = 100
_SCORE_WIDTH = 6
_ID_SHARE = 0.42  # of the line, at most


@one_line_errors
def demo() -> None:
    """Index the documentation of this machine's Python and search it.

    Starts a server of its own on a free port, with a temporary data folder, and stops it at the end. Takes one to
    five minutes on two cores.
    """
    to = console()
    to.width = min(to.width, _WIDTH)
    to.print(
        Text.assemble((f"Frostline {version('frostline')}", "bold"), ": index the Python documentation, search it")
    )
    to.print()
    started = time.perf_counter()
    with ExitStack() as stack:
        with to.status("Starting a server"):
            server = stack.enter_context(local_server())
        client = stack.enter_context(connect(server.target))
        _introduce(to, client, server.target, time.perf_counter() - started)
        _index(to, client, server.folder / "index")
        _search(to, client)
        _show_how_to_go_on(to)


def _introduce(to: Console, client: "Client", target: str, seconds: float) -> None:
    encoder = client.get_encoder(_ENCODER)
    told = {
        "Server": f"{target}, ready in {duration(seconds)}",
        "Encoder": f"{encoder.name} on {encoder.device}: {encoder.default_space.dimensions} dimensions, "
        f"{encoder.max_tokens} tokens",
        "Documents": f"docstrings of the standard library of Python {python_version()}",
    }
    for name, value in told.items():
        to.print(Text.assemble((f"{name:<11}", "bold"), plain(value)))


def _index(to: Console, client: "Client", work_dir: Path) -> None:
    from frostline.indexer import IndexOptions, Progress, index

    options = IndexOptions(collection=_COLLECTION, encoder=_ENCODER, work_dir=work_dir)
    with progress(to, "Indexing", "documents") as shown:

        def report(state: Progress) -> None:
            shown.update(state.done, state.total, about=state.estimated)

        done = index(client, "pydoc:", options, report)
    took = f"{done.indexed:,} documents in {duration(done.seconds)}: {done.indexed / done.seconds:,.0f} a second"
    to.print(Text.assemble((f"{'Indexed':<11}", "bold"), took))


def _search(to: Console, client: "Client") -> None:
    client.search(_COLLECTION, QUERIES[0], limit=LIMIT)  # the first search of a process is no typical one
    answers: list[tuple[str, SearchResults, float]] = []
    for query in QUERIES:
        started = time.perf_counter()
        results = client.search_batch(_COLLECTION, [query], limit=LIMIT)
        answers.append((query, results, time.perf_counter() - started))
    longest = max(cell_len(plain(hit.id)) for _, results, _ in answers for hit in results[0])
    id_width = min(longest, int(to.width * _ID_SHARE))
    for query, results, seconds in answers:
        to.print()
        show(_titled(query, duration(seconds), results[0], id_width), to)
    spent = [seconds for _, _, seconds in answers]
    inference = [results.timings.inference_seconds for _, results, _ in answers]
    searching = [results.timings.search_seconds for _, results, _ in answers]
    to.print()
    to.print(
        Text.assemble(
            ("Searches   ", "bold"),
            f"median {duration(statistics.median(spent))} (embedding {duration(statistics.median(inference))}, "
            f"searching {duration(statistics.median(searching))})",
        )
    )


def _titled(query: str, right: str, hits: "Sequence[Hit]", id_width: int) -> Group:
    title = Table.grid(expand=True)
    title.add_column(no_wrap=True)
    title.add_column(justify="right", style="dim", no_wrap=True)
    title.add_row(Text(query, style="bold"), right)
    rows = Table.grid(padding=(0, 2, 0, 0), expand=True)
    rows.add_column(width=_SCORE_WIDTH, style="cyan")
    rows.add_column(width=id_width, no_wrap=True, overflow="ellipsis")
    rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
    for hit in hits:
        rows.add_row(f"{hit.score:.4f}", Text(plain(hit.id)), Text(plain(hit.payload.get("summary", ""))))
    return Group(title, Padding(rows, (0, 0, 0, 2)))


def _show_how_to_go_on(to: Console) -> None:
    program = _program()
    to.print()
    to.print(Text("Go on", style="bold"))
    for line in (
        f"{program} serve --data-dir ./frostline-data   # a server that stays",
        f"{program} index pydoc: --collection {_COLLECTION} --encoder {_ENCODER}",
        f'{program} search {_COLLECTION} "open a web page"',
    ):
        to.print(f"  {line}", soft_wrap=True)


def _program() -> str:
    """How a user calls the command: by its name where that finds this installation, else by its path."""
    own = Path(sys.executable).with_name("frostline")
    found = shutil.which("frostline")
    if found is not None and Path(found) == own:
        return "frostline"
    here = Path.cwd()
    return str(own.relative_to(here)) if own.is_relative_to(here) else str(own)
