"""The helpers that start targets and the command line are shared with the network's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "network"))
