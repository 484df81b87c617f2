"""Shows broken contracts as an import error in Airflow; the DAGs of the right ones stay."""

from slipway import bootstrap

bootstrap.migrations()
