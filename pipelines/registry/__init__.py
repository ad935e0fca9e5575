"""Versions of models and their champion, in a database through MLflow; the only room with it."""
