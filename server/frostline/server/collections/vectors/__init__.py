"""Nearest vectors: exact ones, and fast ones that know their recall."""

import os

# Read when FAISS's OpenMP is loaded: threads that wait for the next batch must not spin on processors others need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
