"""The predictors that were used last. Each holds its weights."""

import threading
from collections import OrderedDict

from frostline.server.heads.predictor import Predictor

KEPT = 64


class Predictors:
    """Keeps some predictors, by the folder of their version. All methods may be called from several threads at once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, folder: str) -> Predictor | None:
        """Finds one."""
        with self._lock:
            if folder in self._kept:
                self._kept.move_to_end(folder)
            return self._kept.get(folder)

    def keep(self, folder: str, predictor: Predictor) -> None:
        """Adds one, in place of that which was not used for longest."""
        with self._lock:
            self._kept[folder] = predictor
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def forget(self, folder: str) -> None:
        """Lets go of one, if it is there."""
        with self._lock:
            self._kept.pop(folder, None)
