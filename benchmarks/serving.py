"""What serving costs: texts per second through the service over the bare ONNX Runtime session.

One client sends batches of 32 texts of 64 tokens to a real server process. The bare session runs the same graph in this
process on the same batches, tokenized beforehand, with the thread count the server uses. The sides take turns
(bare, unary, stream, bare, ...), so that a noisy machine is noisy for all; the claim is the median of the
ratios of neighboring turns.

    make bench      (benchmarks/serving.py [--rounds 15] [--batches 4] [--out FILE])
"""

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx.utils
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from frostline.client import Client
from server_process import ServerProcess
from timing import timed

ENCODER = "all-minilm-l6-v2"
BATCH, TOKENS, SEED = 32, 64, 0


def texts_of(tokenizer: Tokenizer, count: int) -> list[str]:
    """Makes texts of exactly 64 tokens out of vocabulary words that are one token each."""
    words = sorted(word for word in tokenizer.get_vocab() if word.isalpha() and word.isascii() and len(word) > 2)
    draw = random.Random(SEED)
    texts = [" ".join(draw.choices(words, k=TOKENS - 2)) for _ in range(count)]
    lengths = {len(encoding.ids) for encoding in tokenizer.encode_batch(texts)}
    if lengths != {TOKENS}:
        raise SystemExit(f"texts have {sorted(lengths)} tokens, not {TOKENS}")
    return texts


def feeds_of(tokenizer: Tokenizer, batch: list[str]) -> dict[str, NDArray[np.int64]]:
    """Tokenizes one batch for the bare session."""
    ids = np.array([encoding.ids for encoding in tokenizer.encode_batch(batch)], np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def cut_to(model_path: Path, output: str) -> bytes:
    """The graph that the server runs: what the output needs and nothing else."""
    model = onnx.load(model_path)
    inputs = [value.name for value in model.graph.input]
    return onnx.utils.Extractor(model).extract_model(inputs, [output]).SerializeToString()


def measure(rounds: int, batches: int) -> Iterator[dict[str, object]]:
    """Yields one raw row a turn."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder)) as server,
        Client(server.target) as client,
    ):
        bundle = Path(folder) / "encoders" / ENCODER
        tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        texts = texts_of(tokenizer, BATCH * batches)
        cut = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        feeds = [feeds_of(tokenizer, batch) for batch in cut]
        manifest = json.loads((bundle / "manifest.json").read_text())
        output = next(x for x in manifest["layers"] if x["name"] == manifest["default_layer"])["normalized_output"]
        bare = onnxruntime.InferenceSession(cut_to(bundle / "model.onnx", output), providers=["CPUExecutionProvider"])

        served = client.embed(texts, ENCODER, batch_size=BATCH).vectors
        difference = float(np.abs(served - np.concatenate([bare.run([output], feed)[0] for feed in feeds])).max())
        if difference > 1e-4:
            raise SystemExit(f"served and bare vectors differ by {difference}: not the same work")
        sides: dict[str, Callable[[], object]] = {
            "bare": lambda: [bare.run([output], feed) for feed in feeds],
            "unary": lambda: [client.embed(batch, ENCODER) for batch in cut],
            "stream": lambda: client.embed(texts, ENCODER, batch_size=BATCH),
        }
        for turn in range(rounds):
            for side, work in sides.items():
                seconds = timed(work)
                yield {"round": turn, "side": side, "texts": len(texts), "seconds": round(seconds, 6)}


def main() -> None:
    """Measures, writes raw rows, prints medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "serving.jsonl")
    arguments = parser.parse_args()
    packages = ("onnxruntime", "grpcio", "protobuf", "tokenizers", "numpy")
    versions = {name: version(name) for name in packages} | {"python": platform.python_version()}
    rows: list[dict[str, object]] = []
    for row in measure(arguments.rounds, arguments.batches):
        rows.append(row)
        print(json.dumps(row), file=sys.stderr)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in [{"versions": versions}, *rows]))
    rate = {
        side: np.array([BATCH * arguments.batches / float(str(row["seconds"])) for row in rows if row["side"] == side])
        for side in ("bare", "unary", "stream")
    }
    print(f"{'side':8} {'texts/s':>9} {'over bare':>10}   10th to 90th percentile")
    for side, rates in rate.items():
        ratios = rates / rate["bare"]
        low, high = np.percentile(ratios, [10, 90])
        print(f"{side:8} {statistics.median(rates):9.1f} {statistics.median(ratios):10.3f}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
