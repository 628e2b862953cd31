"""Gates of the whole suite: where fixtures are, which tests run, which skips are accepted.

FROSTLINE_FIXTURES          the folder of real models and data sets; ../shared/fixtures when unset
FROSTLINE_REQUIRE_FIXTURES  1: a test that needs fixtures fails where there are none, instead of being skipped
FROSTLINE_FULL              1, or --full: tests marked `full` run too, and the others with all their rounds
FROSTLINE_CI                1: a skip that .ci/allowed-skips.txt does not list fails the run
"""

import os
from fnmatch import fnmatchcase
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_SKIPS = ROOT / ".ci" / "allowed-skips.txt"

# A loaded machine is slow, not wrong.
hypothesis.settings.register_profile("frostline", deadline=None)
hypothesis.settings.load_profile("frostline")


def _on(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


@pytest.fixture(scope="session")
def fixtures() -> Path:
    folder = Path(os.environ.get("FROSTLINE_FIXTURES") or ROOT.parent / "shared" / "fixtures")
    if folder.is_dir():
        return folder
    message = f"no fixtures in {folder}; set FROSTLINE_FIXTURES"
    if _on("FROSTLINE_REQUIRE_FIXTURES"):
        pytest.fail(message)
    pytest.skip(message)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked `full` (minutes to an hour)")


def pytest_configure(config: pytest.Config) -> None:
    if _on("FROSTLINE_CI"):
        config.pluginmanager.register(SkipGate(_allowed_skips()))


def _full(config: pytest.Config) -> bool:
    return config.getoption("--full") or _on("FROSTLINE_FULL")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether to go through all rounds; a quick run takes a few of each."""
    return _full(pytestconfig)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _full(config):
        return
    full = [item for item in items if item.get_closest_marker("full")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in set(full)]


class SkipGate:
    """Fails the run for every skip whose reason fits no accepted pattern."""

    def __init__(self, accepted: list[str]) -> None:
        self.accepted = accepted
        self.refused: list[str] = []

    def _look_at(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not any(fnmatchcase(reason, pattern) for pattern in self.accepted):
            self.refused.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look_at(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look_at(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.refused:
            terminalreporter.section(f"skips that {ALLOWED_SKIPS.relative_to(ROOT)} does not accept")
            for line in self.refused:
                terminalreporter.line(line)


def _allowed_skips() -> list[str]:
    patterns = []
    for line in ALLOWED_SKIPS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, _, why = line.partition(" | ")
            if not why.strip():
                raise pytest.UsageError(f"{ALLOWED_SKIPS}: {line!r} gives no reason; write `SKIP REASON | why`")
            patterns.append(pattern.strip())
    return patterns
