"""Contract checks as Great Expectations suites, run in a pass or two, kept as reports.

The only room with great_expectations. It knows no table format: it takes a frame and a TableSpec.
Its import costs seconds, so who only may need it imports it where it is used.
"""
