"""Measure a binary classifier: predictors, baselines, figures, plots."""
