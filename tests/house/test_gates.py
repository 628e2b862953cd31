import os
import shutil
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
SUITE = """
import pytest

@pytest.mark.full
def test_full(): pass

def test_fixtures(fixtures): assert fixtures.is_dir()

def test_quick(): pass
"""
SKIPPING = """
import pytest

def test_gpu(): pytest.skip("no CUDA device here")

def test_lazy(): pytest.skip("not today")
"""


@pytest.fixture
def run_suite(pytester, monkeypatch):
    """Runs pytest over a small suite below a copy of conftest.py; returns the exit code and the output."""
    for name in [name for name in os.environ if name.startswith("FROSTLINE_")]:
        monkeypatch.delenv(name)
    (pytester.path / "tests").mkdir()
    (pytester.path / ".ci").mkdir()
    shutil.copy(CONFTEST, pytester.path / "tests")
    pytester.makeini("[pytest]\nmarkers = full: slow\nasyncio_default_fixture_loop_scope = function\n")

    def run(suite, *arguments, accepted="no CUDA device* | no GPU\n", **variables):
        (pytester.path / ".ci" / "allowed-skips.txt").write_text(accepted)
        (pytester.path / "tests" / "test_suite.py").write_text(suite)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        result = pytester.runpytest_inprocess("-ra", "tests", *arguments)
        return result.ret, f"{result.stdout}\n{result.stderr}"

    return run


def test_full_tests_are_deselected_and_absent_fixtures_skip(run_suite):
    code, output = run_suite(SUITE)
    assert code == 0, output
    assert "1 passed, 1 skipped, 1 deselected" in output


@pytest.mark.parametrize(("arguments", "variables"), [(["--full"], {}), ([], {"FROSTLINE_FULL": "1"})])
def test_full_tests_run_when_asked_for(run_suite, tmp_path, arguments, variables):
    code, output = run_suite(SUITE, *arguments, FROSTLINE_FIXTURES=str(tmp_path), **variables)
    assert code == 0, output
    assert "3 passed" in output


def test_absent_fixtures_fail_where_they_are_required(run_suite):
    code, output = run_suite(SUITE, FROSTLINE_REQUIRE_FIXTURES="1")
    assert code == 1
    assert "set FROSTLINE_FIXTURES" in output


def test_a_skip_that_is_not_on_the_list_fails_continuous_integration(run_suite):
    code, output = run_suite(SKIPPING, FROSTLINE_CI="1")
    assert code == 1
    refused = output.split("does not accept")[1]
    assert "tests/test_suite.py::test_lazy: not today" in refused
    assert "::test_gpu" not in refused


def test_a_module_that_skips_itself_fails_continuous_integration(run_suite):
    code, output = run_suite("import pytest\npytest.importorskip('no_such_module')", FROSTLINE_CI="1")
    assert code != 0
    assert "no_such_module" in output.split("does not accept")[1]


def test_skips_on_the_list_pass_and_without_ci_all_pass(run_suite):
    assert run_suite(SKIPPING)[0] == 0
    assert run_suite(SKIPPING, FROSTLINE_CI="1", accepted="* | all\n")[0] == 0


def test_an_accepted_skip_without_a_why_is_an_error(run_suite):
    code, output = run_suite(SKIPPING, FROSTLINE_CI="1", accepted="not today\n")
    assert code != 0
    assert "gives no reason" in output
