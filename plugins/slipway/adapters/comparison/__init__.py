"""Batch, recompute and stream side by side in DuckDB, on the Parquet files that a cut names."""

from slipway.adapters.comparison.closed_rows import DuckDBClosedRows
from slipway.adapters.comparison.duckdb_comparison import DuckDBComparison
from slipway.adapters.comparison.warehouse import PostgresWarehouse, Warehouse

__all__ = ["DuckDBClosedRows", "DuckDBComparison", "PostgresWarehouse", "Warehouse"]
