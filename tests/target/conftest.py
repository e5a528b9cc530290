"""What starts the command line is shared with the network's tests, a server with those that reproduce."""

import sys
from pathlib import Path

for name in ("network", "reproduce"):
    sys.path.insert(0, str(Path(__file__).parents[1] / name))
