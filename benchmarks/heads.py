"""What heads are worth: beside the classifier of MTEB's protocol, and beside scikit-learn in time.

    make bench-heads        (benchmarks/heads.py [SECTION ...] [--rounds 3] [--out FOLDER])

Sections: `protocol` (Banking77 as MTEB has it, on embeddings of the service), `auto` (gain of `auto` heads over that
classifier on the same draws: Banking77 with and without descriptions, fashion articleType, CIFAR-10 subset),
`coverage` (label sets at 90 %), `options` (what whitening, adapting and layers are worth on Banking77), `augment` (what
altered copies of examples are worth: Banking77, fashion articleType, CIFAR-10 subset), `graphs` (every recipe as ONNX:
what it computes, and how soon), `exact` (updates and merges beside training at once), `comparison` (the order of
encoders before anything is trained, over the order of tuned probes), `prediction` (encoder and head over the encoder
alone), `labels` (attributes of products: F1 with a threshold for each label and with 0.5), `numbers` (intervals
at 90 % on the STS benchmark), `suggestions` (labels that they save over chance), `audits` (exchanged labels that they
find), `training` (time of `auto` on all of Banking77 over one logistic fit, and what searches feel), `transfer`
(reports on encoders that fit and that do not), `shuffled` (200 reports on labels that mean nothing). Everything goes
through the public client to a server of its own; the data is in the fixtures.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import heads_accuracy
import heads_augment
import heads_comparison
import heads_data
import heads_exact
import heads_graphs
import heads_labels
import heads_options
import heads_speed
import heads_tasks
import heads_transfer
from frostline.client import Client
from server_process import ServerProcess
from timing import Rows, Spread


def automatic(client: Client, rows: Rows) -> dict[str, Spread]:
    """All three data sets."""
    tasks = (heads_data.banking77, heads_data.fashion, heads_data.cifar10)
    found: dict[str, Spread] = {}
    for task in tasks:
        found |= heads_accuracy.automatic(client, task(client), rows)
    return found


def protocol(client: Client, rows: Rows) -> dict[str, Spread]:
    """Accuracy of the draws."""
    return {"accuracy of a draw, %": heads_accuracy.protocol(client, rows)}


def exact(client: Client, rows: Rows) -> dict[str, Spread]:
    """Prints its own table."""
    heads_exact.measure(client, rows)
    return {}


SECTIONS: Mapping[str, Callable[[Client, Rows], dict[str, Spread]]] = {
    "protocol": protocol,
    "auto": automatic,
    "coverage": heads_accuracy.coverage,
    "graphs": heads_graphs.measure,
    "options": heads_options.measure,
    "augment": heads_augment.measure,
    "exact": exact,
    "comparison": heads_comparison.measure,
    "prediction": heads_speed.end_to_end,
    "labels": heads_tasks.labels,
    "numbers": heads_tasks.numbers,
    "suggestions": heads_labels.suggestions,
    "audits": heads_labels.audits,
    "transfer": heads_transfer.transfer,
    "shuffled": heads_transfer.shuffled,
}


def main() -> None:
    """Runs sections, writes raw rows, prints medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", default=[*SECTIONS, "training"])
    parser.add_argument("--rounds", type=int, default=3, help="trainings that are timed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    if not heads_data.FIXTURES.is_dir():
        raise SystemExit(f"no fixtures in {heads_data.FIXTURES}; set FROSTLINE_FIXTURES")
    packages = ("frostline", "scikit-learn", "onnxruntime", "grpcio", "numpy")
    for section in arguments.sections:
        rows = Rows(arguments.out / f"heads-{section}.jsonl", echo=sys.stderr)
        rows.add({"versions": {name: version(name) for name in packages} | {"python": platform.python_version()}})
        print(f"-- {section}")
        with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder)) as server:
            with Client(server.target) as client:
                if section == "training":
                    found = heads_speed.training(client, server.target, arguments.rounds, rows)
                else:
                    found = SECTIONS[section](client, rows)
        for name, figure in found.items():
            print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
