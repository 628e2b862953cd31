"""Builds segments in the process of the test: many small ones in little time."""

import contextlib
import io

from frostline.server.collections.segments import building, drift
from frostline.server.collections.segments.builder import Builder


class InlineBuilder(Builder):
    def _run(self, order, report):
        with contextlib.redirect_stdout(io.StringIO()):
            return building.build(order)

    def _measure(self, question):
        return drift.measure(question)
