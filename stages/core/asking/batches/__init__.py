"""Asking through the Batch API: `rounds.py` drives, `desk.py` hands in and collects."""
