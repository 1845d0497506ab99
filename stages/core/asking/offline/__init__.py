"""The offline teacher: `server.py` answers, `malform.py` spoils, `batches.py` is its Batch API."""
