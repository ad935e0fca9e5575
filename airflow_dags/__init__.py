"""When the jobs run: DAGs for Airflow, declared from one rendered JSON file.

Runs in Airflow's own environment and imports nothing of the pipelines: a task is a command.
"""
