"""Airflow only: DAG factory, params, sensors and triggers. Nothing here knows a rule; `app` does."""
