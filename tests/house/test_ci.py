import re
import shutil
import subprocess

import pytest

from trees import ROOT, clean_environment

MAKEFILE = """
check:
	@echo checked; exit $(CHECK)
test:
	@echo "===== 3 passed in 1.20s ====="; test "$$FROSTLINE_CI$$FROSTLINE_REQUIRE_FIXTURES" = 11
test-full:
	@echo "===== 5 passed, 2 skipped in 63.21s (0:01:03) ====="; exit $(FULL)
"""


@pytest.fixture
def run_ci(tmp_path):
    """Runs .ci/run over a Makefile that only pretends; returns the exit code and the lines printed."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(MAKEFILE)

    def run(check=0, full=0):
        result = subprocess.run(
            [tmp_path / ".ci" / "run"],
            env=clean_environment(CHECK=str(check), FULL=str(full)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode, result.stdout.splitlines()

    return run


def test_continuous_integration_runs_all_three_and_prints_the_closing_line_last(run_ci):
    code, lines = run_ci()
    assert code == 0
    assert lines[:2] == ["checked", "===== 3 passed in 1.20s ====="]
    assert lines[-1] == "===== 5 passed, 2 skipped in 63.21s (0:01:03) ====="


def test_failing_tests_fail_it_and_the_closing_line_still_comes_last(run_ci):
    code, lines = run_ci(full=1)
    assert code != 0
    assert lines[-1] == "===== 5 passed, 2 skipped in 63.21s (0:01:03) ====="


def test_a_failing_check_stops_it(run_ci):
    code, lines = run_ci(check=1)
    assert code != 0
    assert not [line for line in lines if "passed" in line]


def test_every_script_that_the_makefile_runs_is_there():
    scripts = re.findall(r"(?:benchmarks|proto)/\w+\.py", (ROOT / "Makefile").read_text())
    assert {"benchmarks/serving.py", "proto/generate.py"} <= set(scripts)
    assert [script for script in scripts if not (ROOT / script).is_file()] == []
