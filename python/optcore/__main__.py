"""`python -m optcore` is the `optcore` command."""

import sys

from optcore.cli import main

sys.exit(main())
