import os
import subprocess
import sys


def test_onnxruntime_reports_nothing_to_its_maker(tmp_path):
    # Importing it with telemetry on opens a session, which it notes in the temporary folder.
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = "import frostline.server.encoders.session"
    subprocess.run([sys.executable, "-c", code], env=environment | {"TMPDIR": str(tmp_path)}, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
