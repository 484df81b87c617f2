"""Slipway's pages inside Airflow: who stands where, why, and who has to say yes."""
