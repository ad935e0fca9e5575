-- beside the registry's database, which the image makes by itself
CREATE DATABASE airflow OWNER gristmill;
