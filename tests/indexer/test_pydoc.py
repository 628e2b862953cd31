import subprocess
import sys
from fnmatch import fnmatchcase

import pytest

from frostline.client import Record
from frostline.indexer import BadSource, IndexOptions, open_source
from frostline.indexer.pydoc_module import Module, inspected, parse
from frostline.indexer.pydoc_names import documented
from frostline.indexer.rows import Position, Source

# The answers of the demo's ten queries.
ACCEPTED = [
    ("linecache.*", "fileinput.*", "io.*readline*"),
    ("sorted", "list.sort", "functools.cmp_to_key"),
    ("subprocess.*",),
    ("argparse.*", "optparse.*", "getopt.*"),
    ("zipfile.*", "zlib.*", "gzip.*"),
    ("random.choice", "random.*"),
    ("datetime.*",),
    ("re.*", "fnmatch.*"),
    ("smtplib.*", "email.*"),
    ("functools.lru_cache", "functools.cache"),
]


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source("pydoc:", IndexOptions(collection="docs"))


@pytest.fixture(scope="module")
def found(source) -> dict[str, Record]:
    return {row.record.id: row.record for row in source.rows(Position()) if isinstance(row.record, Record)}


@pytest.mark.parametrize("patterns", ACCEPTED, ids=lambda patterns: patterns[0])
def test_every_answer_of_the_demo_is_there(found, patterns):
    for pattern in patterns:
        assert any(fnmatchcase(name, pattern) for name in found), pattern


@pytest.mark.parametrize(
    "name",
    [
        "asyncio.gather",
        "builtins",
        "collections.OrderedDict",
        "collections.abc.Mapping",
        "concurrent.futures.Executor",
        "contextlib.suppress",
        "datetime.date",
        "datetime.datetime.now",
        "decimal.Decimal",
        "functools.partial",
        "heapq.heappush",
        "io.IOBase.readline",
        "io.StringIO",
        "itertools.chain",
        "json.JSONDecoder",
        "list.sort",
        "math.sqrt",
        "open",
        "os.getcwd",
        "os.path.join",
        "random.choice",
        "random.random",
        "re.match",
        "sorted",
        "str.split",
        "struct.pack",
        "time.sleep",
        "unittest.TestCase",
    ],
)
def test_things_are_called_as_one_uses_them(found, name):
    assert name in found


def test_nothing_private_no_tests_and_no_jokes(found):
    modules = {record.payload["module"] for record in found.values()}
    assert not [
        name for name in found if any(part.startswith("_") for part in name.split(".")) and name != "__future__"
    ]
    assert not [name for name in modules if {"test", "tests", "idlelib", "this", "antigravity"} & set(name.split("."))]
    assert not [name for name in found if name.startswith(("numpy", "frostline", "pytest"))]


def test_there_are_thousands_each_once_in_a_fixed_order(source, found):
    rows = list(source.rows(Position()))
    assert 4_000 < len(rows) == len(found) == source.total < 9_000
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert list(found) == sorted(found)
    assert list(source.rows(Position(1000))) == rows[1000:]


def test_a_record_says_what_it_is(found):
    assert found["random.choice"].text == "random.choice(seq)\nChoose a random element from a non-empty sequence."
    assert found["random.choice"].payload == {
        "name": "random.choice",
        "kind": "function",
        "module": "random",
        "summary": "Choose a random element from a non-empty sequence.",
    }
    assert found["list.sort"].text.startswith("list.sort(*, key=None, reverse=False)\nSort the list in ascending order")
    assert found["list.sort"].payload["kind"] == "method"
    assert found["list.sort"].payload["module"] == "builtins"
    assert found["json"].payload["kind"] == "module"
    assert found["datetime.date"].payload["kind"] == "class"
    assert all(0 < len(record.payload["summary"]) <= 200 for record in found.values())


@pytest.mark.full
def test_another_process_finds_the_same(source):
    code = (
        "from frostline.indexer import *; print(open_source('pydoc:', IndexOptions(collection='d')).identity);"
        "import sys; print(sorted({'smtplib', 'antigravity', 'tkinter', 'turtle', 'this'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{source.identity}\n[]\n"  # and modules in Python were not imported
    assert "Warning" not in done.stderr


def test_fields_make_no_sense():
    with pytest.raises(BadSource, match="leave out --text-field"):
        open_source("pydoc:", IndexOptions(collection="docs", text_field="x"))


# Naming, on modules made for it


def module(name: str, source: str, is_package: bool = False) -> Module:
    return parse(name, source.encode(), is_package)


def names(*sources: Module, compiled: tuple[Module, ...] = ()) -> dict[str, str]:
    by_name = {module.name: module for module in sources}
    return {entry.name: entry.doc for entry in documented(by_name, {module.name: module for module in compiled})}


def test_a_package_gives_its_name_to_what_it_hands_on():
    package = module("pack", "from .inner import Shown\nfrom .inner import *", is_package=True)
    inner = module("pack.inner", "class Shown:\n 'a'\n def m(self): 'b'\nclass Other: 'c'\n_x = 1")
    assert names(package, inner) == {"pack.Shown": "a", "pack.Shown.m": "b", "pack.Other": "c"}


def test_what_a_private_module_makes_is_named_after_who_offers_it():
    private = module("_inner", "def f(): 'a'\ndef hidden(): 'b'")
    user = module("aaa", "from _inner import f")  # for itself: it has no __all__
    offers = module("offers", "from _inner import f\n__all__ = ['f']")
    assert names(private, user, offers) == {"offers.f": "a"}
    assert names(private, user) == {}


def test_python_wins_over_c_and_takes_what_only_c_documents():
    twin = module("x", "class A:\n 'python'\n def m(self): 'from python'\nclass _B: 'private'")
    members = {"A": type("A", (), {"__doc__": "c", "m": classmethod(print), "n": len}), "Gone": len}
    assert names(twin, compiled=(inspected("_x", members),)) == {
        "x.A": "python",
        "x.A.m": "from python",
        "x.A.n": "Return the number of items in a container.",
    }


def test_methods_of_a_hidden_instance_are_functions():
    source = module("r", "class R:\n 'a'\n def pick(self, seq, /, *, k=1): 'b'\n_inst = R()\npick = _inst.pick")
    _, entry = documented({"r": source}, {})
    assert entry.name == "r.pick"
    assert (entry.kind, entry.signature, entry.doc) == ("function", "(seq, /, *, k=1)", "b")


def test_definitions_inside_conditions_count_and_the_first_wins():
    source = module(
        "m", "try:\n def f(): 'a'\nexcept E:\n def f(): 'b'\nif x:\n with y:\n  def g(): 'c'\nelse:\n def h(): 'd'"
    )
    assert names(source) == {"m.f": "a", "m.g": "c", "m.h": "d"}


def test_only_what_all_names_is_public_unless_it_grows():
    assert names(module("m", "__all__ = ['f']\ndef f(): 'a'\ndef g(): 'b'")) == {"m.f": "a"}
    grown = module("m", "__all__ = ['f']\n__all__.extend(more())\ndef f(): 'a'\ndef g(): 'b'\ndef _h(): 'c'")
    assert names(grown) == {"m.f": "a", "m.g": "b"}


def test_modules_that_import_each_other_are_no_trap():
    first, second = module("a", "'one'\nfrom b import *\ndef f(): 'f'"), module("b", "from a import *\ndef g(): 'g'")
    assert names(first, second) == {"a": "one", "a.f": "f", "b.g": "g"}
