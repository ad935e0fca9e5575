"""Readers of raw files: find them, inspect them before Spark does, parse them by contract."""
