"""`frostline.server.recommendations.learning` that goes as the folder of the collection says, in a file `how`.

`Learner` runs it where `PROGRAM` says so. `slow` learns, and writes it down once a file `go` is there or the
folder gone.
"""

import os
import time

from frostline.server import child
from frostline.server.recommendations import learned, learning


def carried_out(order):
    folder = order.database.parent
    how = (folder / "how").read_text() if (folder / "how").exists() else ""
    if how == "broken":
        raise ZeroDivisionError("nothing to divide by")
    if how == "gone":
        os._exit(7)
    found = learning.learn(order, lambda step, done: None)
    (folder / "learning").touch()
    while how == "slow" and folder.is_dir() and not (folder / "go").exists():
        time.sleep(0.02)
    learned.save(found, order.folder)
    return {"sequence": found.sequence}


if __name__ == "__main__":
    child.carry_out(learning.Order, carried_out)
