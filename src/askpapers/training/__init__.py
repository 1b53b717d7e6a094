"""Trains the weights shipped in models/: `python -m askpapers.training.<part>`."""
