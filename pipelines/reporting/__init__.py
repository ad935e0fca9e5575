"""One HTML page for one run, from the records of its steps; made to be read by a person."""
