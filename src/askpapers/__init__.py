"""Answers questions about a pile of paper abstracts, offline, with proof for every sentence."""

import os

__version__ = "0.1.0"

# OpenMP reads this once, when torch or llama.cpp loads it, so it stands before every import of
# those. Spinning barriers made llama.cpp 40 times slower beside one other busy process; waiting
# passively costs nothing measurable on an idle machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
