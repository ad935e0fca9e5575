"""The DAGs of all data sets: the one file of this folder that Airflow reads.

One file, so that Airflow and the rendering are read once; the others are modules of it.
"""

import sys
from pathlib import Path

# Airflow puts this folder on its path, not the one above
sys.path.insert(0, str(Path(__file__).absolute().parent.parent))

from airflow_dags.maintain import maintain
from airflow_dags.prepare import prepare
from airflow_dags.rendering import read_rendering
from airflow_dags.score import report_quality, score
from airflow_dags.settings import rendering
from airflow_dags.train import train

for dataset in read_rendering(rendering()):
    for declared in (prepare, train, score, report_quality, maintain):
        dag = declared(dataset)
        globals()[dag.dag_id] = dag
