"""Whatever happens to a derived file is found, answered exactly meanwhile, and mended from the rows.

Sizes and the manifest are looked at when a collection is opened, hashes in the background after that.
"""

import json
import random
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from collecting import brute_force, config, record, vector_field
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.search.query import SearchOptions
from frostline.server.collections.segments.shaping import Upkeep
from inline_builder import InlineBuilder

ROWS = 2100  # the fewest that are indexed by more than comparing are 2000
DELETED, LATER = range(0, ROWS, 30), range(ROWS, ROWS + 20)
VECTORS = np.random.default_rng(0).normal(size=(len(LATER) + ROWS, 8)).astype(np.float32)
QUERIES = VECTORS[:3] + 0.1
FIELDS = tuple(IndexedField(path=kind.value, kind=kind) for kind in FieldKind)
FILTERS = {
    'keyword = "k3"': lambda n: n % 7 == 3,
    "integer >= 9": lambda n: n % 11 >= 9,
    "float < 10.5": lambda n: n / 4 < 10.5,
    "boolean = true": lambda n: n % 2 == 0,
    'timestamp > "2026-01-01T00:00:50Z"': lambda n: n % 60 > 50,
    "geo(geo, 10, 10, 1000)": lambda n: n % 80 == 10,
}
FILES = [
    "0.f32",
    "0.faiss",
    "0.json",
    "1.f32",
    "1.json",
    "1.rows.npy",
    "fields/fields.bin",
    "fields/fields.json",
    "internal_ids.npy",
    "manifest.json",
    "record_ids.bin",
    "record_ids.npy",
]


def row(n):
    vectors = {"default": VECTORS[n]} | ({"photo": VECTORS[n, :4]} if has_photo(n) else {})
    place = {"lat": n % 80, "lon": n % 80}
    time = f"2026-01-01T00:00:{n % 60:02}Z"
    payload = {"keyword": f"k{n % 7}", "integer": n % 11, "float": n / 4, "boolean": n % 2 == 0}
    return Write(record(f"r{n}", vectors, timestamp=time, geo=place, **payload))


def has_photo(n):
    return n % 25 == 7


def alive():
    return [n for n in (*range(ROWS), *LATER) if n not in DELETED]


def opened(folder):
    upkeep = Upkeep(InlineBuilder(), tail_rows=ROWS - 100)
    return Catalogue(folder, open_collection=partial(Collection, upkeep=upkeep))


def made(folder, kind):
    """A collection of one segment, with rows that died since and some in memory."""
    catalogue = opened(folder)
    vectors = (vector_field("default", 8), vector_field("photo", 4, Metric.COSINE))
    notes = catalogue.create(config(vectors=vectors, fields=FIELDS, index=kind))
    notes.upsert([row(n) for n in range(ROWS)]).result(60)
    assert notes.compact()
    notes.delete([f"r{n}" for n in DELETED]).result(60)
    notes.upsert([row(n) for n in LATER]).result(60)
    catalogue.close()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    cache = {}

    def get(kind):
        if kind not in cache:
            cache[kind] = tmp_path_factory.mktemp(kind.value)
            made(cache[kind], kind)
        return cache[kind]

    return get


@pytest.fixture(params=[IndexKind.IVF_PQ, IndexKind.HNSW, IndexKind.RABITQ], ids=str)
def of_kind(originals, request):
    return originals(request.param)


@pytest.fixture
def original(originals):
    return originals(IndexKind.IVF_PQ)


def copied(original, folder):
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("reserve"))
    (segment,) = folder.glob("*/segments/*")
    return segment


def nearest(ids, vectors, query, metric, limit):
    order = np.argsort(-brute_force(vectors, query, metric))[:limit]
    return [f"r{ids[place]}" for place in order]


def assert_answers_exactly(notes):
    ids = alive()
    assert notes.count() == len(ids)
    hits = notes.search_vectors(QUERIES, 0, SearchOptions(limit=30, exact=True))
    assert hits.ids == [nearest(ids, VECTORS[ids], query, Metric.DOT, 30) for query in QUERIES]
    photos = [n for n in ids if has_photo(n)]
    hits = notes.search_vectors(QUERIES[:, :4].copy(), 1, SearchOptions(limit=30, exact=True))
    assert hits.ids == [nearest(photos, VECTORS[photos, :4], query[:4], Metric.COSINE, 30) for query in QUERIES]
    for text, matches in FILTERS.items():
        matching = [n for n in ids if matches(n)]
        assert matching
        hits = notes.search_vectors(QUERIES[:1], 0, SearchOptions(limit=30, exact=True, expression=parse(text)))
        assert hits.ids == [nearest(matching, VECTORS[matching], QUERIES[0], Metric.DOT, 30)]
        assert notes.count(parse(text)) == len(matching)


def is_whole(notes):
    segments = notes.stats().segments
    return len(segments) == 1 and segments[0].verified and not segments[0].quarantined


def find_damage(notes, caplog):
    """Lets one step of the background work run, unless the damage was found when the collection was opened."""
    if not caplog.text:
        assert not is_whole(notes)
        assert notes.compact()
    assert caplog.text
    assert all(segment.quarantined for segment in notes.stats().segments)


def test_what_is_whole_is_verified_and_stays(of_kind, tmp_path, caplog):
    segment = copied(of_kind, tmp_path / "copy")
    assert sorted(str(path.relative_to(segment)) for path in segment.rglob("*") if path.is_file()) == FILES
    catalogue = opened(tmp_path / "copy")
    notes = catalogue.get("notes")
    assert not is_whole(notes)
    explained = notes.search_vectors(QUERIES, 0, SearchOptions(explain=True)).explanation
    assert [step.verified for step in explained.steps] == [False, True]
    assert notes.compact()
    assert is_whole(notes)
    assert not notes.compact()
    assert_answers_exactly(notes)
    assert segment.exists()
    assert not caplog.text
    catalogue.close()


def survives(original, folder, damage, caplog, *, rebuild):
    caplog.clear()
    segment = copied(original, folder)
    damage(segment)
    catalogue = opened(folder)
    notes = catalogue.get("notes")
    find_damage(notes, caplog)
    assert str(segment) in caplog.text
    assert_answers_exactly(notes)
    assert not segment.exists()
    if rebuild:
        while notes.compact():
            pass
        assert is_whole(notes)
        assert_answers_exactly(notes)
        (new,) = folder.glob("*/segments/*")
        assert sorted(str(path.relative_to(new)) for path in new.rglob("*") if path.is_file()) == FILES
    catalogue.close()
    shutil.rmtree(folder)


def flipped(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def cut(path, size):
    content = path.read_bytes()
    path.write_bytes(content[:size] + bytes(max(0, size - len(content))))


def places(path, full):
    """Bytes of the head, where formats say what they are, and of all; the first and the last, too, in a full run."""
    size = path.stat().st_size
    ends, count = ((0, size - 1), 3) if full else ((), 1)
    return sorted({*ends, *random.sample(range(min(size, 128)), count), *random.sample(range(size), count)})


def each(*names):
    """One file of each kind in the quick tests, all of them in the full ones."""
    quick = ("0.f32", "fields/fields.bin", "internal_ids.npy", "manifest.json")
    return [name if name in quick else pytest.param(name, marks=pytest.mark.full) for name in names]


@pytest.mark.parametrize("name", each(*(name for name in FILES if name != "manifest.json")))
def test_every_flipped_bit_is_found(original, tmp_path, caplog, full, name):
    (segment,) = original.glob("*/segments/*")
    for round_, place in enumerate(places(segment / name, full)):
        damage = partial(lambda folder, place: flipped(folder / name, place), place=place)
        survives(original, tmp_path / f"{place}", damage, caplog, rebuild=round_ == 0)


@pytest.mark.parametrize("name", each(*FILES))
def test_every_file_that_is_cut_lost_or_longer_is_found(original, tmp_path, caplog, full, name):
    (segment,) = original.glob("*/segments/*")
    size = (segment / name).stat().st_size
    for wrong in (size - 1, size + 1, *((0, 1, size // 2) if full else ())):
        damage = partial(lambda folder, wrong: cut(folder / name, wrong), wrong=wrong)
        survives(original, tmp_path / f"{wrong}", damage, caplog, rebuild=wrong == 0)
    survives(original, tmp_path / "lost", lambda folder: (folder / name).unlink(), caplog, rebuild=False)


def test_integers_that_one_bit_made_times_are_found(original, tmp_path, caplog):
    def damage(folder):
        whole = (folder / "internal_ids.npy").read_bytes()
        assert b"'<i8'" in whole
        (folder / "internal_ids.npy").write_bytes(whole.replace(b"'<i8'", b"'<m8'"))

    survives(original, tmp_path / "copy", damage, caplog, rebuild=False)


def test_damage_to_an_index_of_any_kind_is_found(of_kind, tmp_path, caplog, full):
    (segment,) = of_kind.glob("*/segments/*")
    for round_, place in enumerate(places(segment / "0.faiss", full)):
        damage = partial(lambda folder, place: flipped(folder / "0.faiss", place), place=place)
        survives(of_kind, tmp_path / f"{place}", damage, caplog, rebuild=round_ == 0)


def leaves(value, path=()):
    """Where in a JSON value something other than an object or an array stands."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(value):
    """What one flipped bit can make of a value, without making it no JSON."""
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    return value ^ 1 if isinstance(value, int) else round(value + 0.01, 2)


@pytest.mark.full
def test_every_value_of_the_manifest_that_is_another_is_found(original, tmp_path, caplog):
    (segment,) = original.glob("*/segments/*")
    for number, path in enumerate(leaves(json.loads((segment / "manifest.json").read_text()))):

        def damage(folder, path=path):
            manifest = json.loads((folder / "manifest.json").read_text())
            *outer, last = path
            inner = manifest
            for key in outer:
                inner = inner[key]
            inner[last] = changed(inner[last])
            (folder / "manifest.json").write_text(json.dumps(manifest, separators=(",", ":")))

        try:
            survives(original, tmp_path / f"{number}", damage, caplog, rebuild=False)
        except AssertionError as error:
            raise AssertionError(f"manifest: {path}") from error


def test_all_derived_files_may_be_deleted(original, tmp_path):
    segment = copied(original, tmp_path / "copy")
    shutil.rmtree(segment.parent)
    catalogue = opened(tmp_path / "copy")
    notes = catalogue.get("notes")
    assert_answers_exactly(notes)
    while notes.compact():
        pass
    assert is_whole(notes)
    assert_answers_exactly(notes)
    assert list(Path(tmp_path).glob("copy/*/segments/*"))
    catalogue.close()
