"""How it is done: the library behind the jobs."""
