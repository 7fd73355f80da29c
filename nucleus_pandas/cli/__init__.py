"""The command ``nucleus-pandas``."""

from nucleus_pandas.cli.main import main

__all__ = ["main"]
