"""`python -m gwm_core.cli` is the same as `gwm`."""

import sys

from .main import main

sys.exit(main())
