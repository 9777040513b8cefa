"""Intramuros: the private AI of an organisation, inside its own walls."""

__version__ = "0.1.0"
