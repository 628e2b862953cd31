import json
import subprocess
import sys
from fnmatch import fnmatchcase

import pytest

from frostline.cli.demo import QUERIES
from serving import running_server

pytestmark = pytest.mark.full

ACCEPTED = {
    "read a file line by line": ("linecache.*", "fileinput.*", "io.*readline*"),
    "sort a list with a custom key": ("sorted", "list.sort", "functools.cmp_to_key"),
    "run another program and capture its output": ("subprocess.*",),
    "parse command line options": ("argparse.*", "optparse.*", "getopt.*"),
    "compress data with zip": ("zipfile.*", "zlib.*", "gzip.*"),
    "pick a random element": ("random.choice", "random.*", "secrets.choice"),
    "difference between two dates": ("datetime.*",),
    "match text against a pattern": ("re.*", "fnmatch.*"),
    "send an email": ("smtplib.*", "email.*"),
    "remember results of expensive calls": ("functools.lru_cache", "functools.cache", "functools.*cached*"),
}


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "frostline.cli", *arguments], capture_output=True, text=True, timeout=900
    )


def is_accepted(record_id, patterns):
    name = record_id.removeprefix("builtins.")
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("data")) as server:
        done = run("index", "pydoc:", "--collection", "python-docs", "--encoder", "all-minilm-l6-v2",
                   "--work-dir", str(tmp_path_factory.mktemp("work")), "--target", server.target, "--json")  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield server.target


def test_the_demo_asks_the_queries_of_this_test():
    assert set(QUERIES) == set(ACCEPTED)


def test_nine_of_ten_queries_find_an_accepted_answer_among_five(target):
    found, missed = [], {}
    for query, patterns in ACCEPTED.items():
        answered = run("search", "python-docs", query, "--limit", "5", "--target", target, "--json")
        assert answered.returncode == 0, answered.stderr
        ids = [hit["id"] for hit in json.loads(answered.stdout)["hits"]]
        assert len(ids) == 5
        if any(is_accepted(record_id, patterns) for record_id in ids):
            found.append(query)
        else:
            missed[query] = ids
    assert len(found) >= 9, missed
