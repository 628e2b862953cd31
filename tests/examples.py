"""How many examples the long property tests look at: 50, or what FROSTLINE_EXAMPLES says (`make soak`: 2,000)."""

import os

EXAMPLES = int(os.environ.get("FROSTLINE_EXAMPLES") or 50)
