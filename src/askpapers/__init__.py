"""Answers questions about a pile of paper abstracts, offline, with proof for every sentence."""

__version__ = "0.1.0"
