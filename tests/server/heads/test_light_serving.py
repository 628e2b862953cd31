"""What predicting takes."""

import subprocess
import sys


def test_predicting_needs_neither_scikit_learn_nor_scipy():
    rooms = "abstention calibration closed_form comparison.cost comparison.report conformal decision fitted labelled"
    rooms = [*rooms.split(), "moments", "multi_label", "regression", "truths"]
    imports = "; ".join(f"import frostline.server.heads.{room}" for room in rooms)
    heavy = "print([name for name in ('sklearn', 'scipy') if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; {heavy}"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
