"""docs/server.md lists every setting with its default and why one would change it."""

import re

from frostline.server.settings import Settings
from trees import ROOT


def row(name, field):
    default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
    why = " ".join(field.description.split())
    return f"| `{name}` | {'none' if default in ('', 'None') else default} | {why} |"


def test_the_table_of_settings_is_that_of_the_code():
    expected = [row(name, field) for name, field in Settings.model_fields.items()]
    documented = re.findall(r"^\| `.*$", (ROOT / "docs" / "server.md").read_text(), re.MULTILINE)
    assert documented == expected, "replace the table in docs/server.md by:\n" + "\n".join(expected)
