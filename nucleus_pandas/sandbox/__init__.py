"""A local service for the official tracking clients, with the Data API for what they report."""

from nucleus_pandas.sandbox.collector import Limits
from nucleus_pandas.sandbox.sandbox import Sandbox, SandboxClient

__all__ = ["Limits", "Sandbox", "SandboxClient"]
