"""What recommendations are worth, and what they take: new items, new users, products, many items.

    make bench-recommend        (benchmarks/recommend.py [SECTION ...] [--seeds N] [--out FOLDER])

Sections: `lightfm` (the peer on the splits of `cold-items`, its options tuned first; `--no-tune` takes those in
`results/`), `cold-items` (MovieLens: movies that nobody has rated, NDCG@10 of each strategy beside chance, predicted
popularity, mean profiles and LightFM), `cold-users` (users of whom 0, 1, 3, 5 and 10 likes are known, AUTO beside each
single strategy), `fashion` (products of the same kind among the ten nearest), `speed` (calls among many items while
interactions are recorded, memory, how soon what is new counts). Everything but LightFM goes through the public client
to a server of its own; the data is in the fixtures or generated.
"""

import argparse
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import heads_data
import recommend_fashion
import recommend_items
import recommend_speed
import recommend_users
from frostline.client import Client
from server_process import ServerProcess
from timing import Rows

SECTIONS = ("lightfm", "cold-items", "cold-users", "fashion", "speed")
_PACKAGES = ("frostline", "numpy", "scipy", "scikit-learn", "onnxruntime", "grpcio")


def run(section: str, arguments: argparse.Namespace, client: Client, server: ServerProcess, rows: Rows) -> None:
    """Runs one section on a server of its own."""
    match section:
        case "lightfm":
            recommend_items.lightfm(client, rows, tune=arguments.tune)
        case "cold-items":
            recommend_items.measure(client, rows, arguments.seeds)
        case "cold-users":
            recommend_users.measure(client, rows, arguments.user_seeds, as_examples=arguments.as_examples)
        case "fashion":
            recommend_fashion.measure(client, rows)
        case _:
            recommend_speed.measure(client, server, rows, arguments.items, arguments.interactions)


def main() -> None:
    """Runs sections, writes raw rows, prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, default=10, help="of cold-items: how often movies are held out")
    parser.add_argument("--user-seeds", type=int, default=1, help="of cold-users: how often all users are held out")
    parser.add_argument("--as-examples", action="store_true", help="of cold-users: give likes as examples")
    parser.add_argument("--tune", action=argparse.BooleanOptionalAction, default=True, help="of lightfm")
    parser.add_argument("--items", type=int, default=100_000, help="of speed")
    parser.add_argument("--interactions", type=int, default=1_000_000, help="of speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        raise SystemExit(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if not heads_data.FIXTURES.is_dir():
        raise SystemExit(f"no fixtures in {heads_data.FIXTURES}; set FROSTLINE_FIXTURES")
    for section in arguments.sections:
        rows = Rows(arguments.out / f"recommend-{section}.jsonl")
        rows.add({"versions": {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}})
        print(f"-- {section}")
        with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder)) as server:
            with Client(server.target) as client:
                run(section, arguments, client, server, rows)


if __name__ == "__main__":
    main()
