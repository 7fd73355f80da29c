"""``python -m nucleus_pandas``: the same as the command ``nucleus-pandas``."""

import sys

from nucleus_pandas.cli import main

if __name__ == "__main__":
    sys.exit(main())
