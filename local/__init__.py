"""The embedded stack: Postgres, Kafka, schema registry, Flink and Airflow on one machine.

`python -m local.stack up` starts it, `python -m local.setup` installs what it needs below `.local/`.
"""
