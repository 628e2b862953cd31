"""A server with a planted bug: it acknowledges writes before they are committed. Run as a program."""

import sys
import time

from frostline.server.__main__ import main
from frostline.server.collections.rows import writer
from frostline.server.collections.rows.operations import Written


def write(self, group):
    outcomes = self._store.apply([each.operation for each in group])
    for waiting, outcome in zip(group, outcomes, strict=True):
        assert isinstance(outcome, Written)
        waiting.future.set_result(outcome)
    time.sleep(0.02)  # as a slow disk would
    self._store.commit()


if __name__ == "__main__":
    writer.Writer._write = write
    sys.exit(main())
