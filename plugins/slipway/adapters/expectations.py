"""Great Expectations suites derived from a contract: nobody writes an expectation twice.

The library takes seconds to import, so it is imported when the checks run, and all suites run in one go.
"""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb

from slipway.domain.accounting import Compared
from slipway.domain.closing import midnight_sql
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.domain.rendering import quoted, text_literal
from slipway.ports import Check, Checked

if TYPE_CHECKING:
    import pandas as pd

SILVER, RECORDS, COMPARISON = "silver", "records", "comparison"


class GreatExpectations:
    """slipway.ports.Expectations. docs: folder that keeps the Data Docs of each night."""

    def __init__(self, docs: Path) -> None:
        self._docs = docs

    def check(
        self,
        migration: Migration,
        silver: Sequence[str],
        days: tuple[date, date],
        balance: Balance,
        compared: Compared,
        label: str,
    ) -> Checked:
        """Run the suites for silver, the account of records and the comparison; every result is returned."""
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        frames = {
            SILVER: silver_frame(migration, silver, days),
            RECORDS: records_frame(balance),
            COMPARISON: comparison_frame(compared),
        }
        suites = suites_of(migration)
        folder = self._docs / migration.name / label
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        context.add_data_docs_site("night", cast("Any", _site(folder)))
        source = context.data_sources.add_pandas("frames")
        definitions = []
        for name, expectations in suites.items():
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
            suite = context.suites.add(gx.ExpectationSuite(name=name))
            for kind, arguments in expectations:
                suite.add_expectation(getattr(gx.expectations, kind)(**arguments))
            definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
            definitions.append((name, context.validation_definitions.add(definition)))
        checks: list[Check] = []
        for name, definition in definitions:
            result = definition.run(batch_parameters={"dataframe": frames[name]}, result_format="SUMMARY")
            checks += [_read(name, one) for one in result.results]
        context.build_data_docs()
        return Checked(
            success=all(check.success for check in checks),
            checks=tuple(sorted(checks, key=lambda check: (check.suite, check.name, check.column))),
            version=f"great_expectations {gx.__version__}",
            docs=str(folder / "index.html"),
        )


def suites_of(migration: Migration) -> Mapping[str, list[tuple[str, dict[str, Any]]]]:
    """Return (expectation, arguments) by suite: what the contract and its schema imply, and nothing else."""
    events = migration.contract.events
    silver: list[tuple[str, dict[str, Any]]] = [
        # With keep: latest every version of an id is accepted once.
        ("ExpectCompoundColumnsToBeUnique", {"column_list": [events.id, events.version]})
        if events.version
        else ("ExpectColumnValuesToBeUnique", {"column": events.id}),
        (
            "ExpectCompoundColumnsToBeUnique",
            {"column_list": ["kafka_partition", "kafka_offset"]},
        ),
        ("ExpectColumnValuesToNotBeNull", {"column": "arrived_at"}),
        # Arrival at or after the day's end and the accepted lateness belongs to the late table.
        (
            "ExpectColumnMinToBeBetween",
            {"column": "seconds_before_closing", "min_value": 0, "strict_min": True},
        ),
    ]
    for field in migration.event_fields:
        if not field.nullable:
            silver.append(("ExpectColumnValuesToNotBeNull", {"column": field.name}))
        if field.symbols and not field.pii:
            silver.append(
                ("ExpectColumnValuesToBeInSet", {"column": field.name, "value_set": list(field.symbols)})
            )
    nothing = {"min_value": 0, "max_value": 0}
    records = [
        ("ExpectColumnValuesToBeBetween", {"column": column, **nothing})
        for column in ("not_in_bronze", "not_accounted")
    ]
    comparison = [
        ("ExpectColumnValuesToBeBetween", {"column": column, **nothing})
        for column in ("broken_walks", "crowded_cells", "beyond_without_cause")
    ]
    return {SILVER: silver, RECORDS: records, COMPARISON: comparison}


def silver_frame(migration: Migration, files: Sequence[str], days: tuple[date, date]) -> pd.DataFrame:
    """Return the accepted events of the days (both included), and how long before closing each arrived."""
    names = [field.name for field in migration.event_fields]
    wanted = [*names, "kafka_partition", "kafka_offset", "arrived_at"]
    if not files:
        import pandas as pd

        return pd.DataFrame({name: pd.Series(dtype="object") for name in [*wanted, "seconds_before_closing"]})
    listed = ", ".join(text_literal(path) for path in files)
    personal = {field.name for field in migration.event_fields if field.pii}
    shown = [_numbered(name) if name in personal else quoted(name, "duckdb") for name in wanted]
    accepted = int(migration.contract.parity.accept_late.total_seconds())
    ended = midnight_sql(migration.zone, "business_day + 1")
    closing = f"epoch_us({ended}) / 1e6 + {accepted}"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return (
            connection.execute(
                f"SELECT {', '.join(shown)},"
                f" {closing} - epoch_us(arrived_at) / 1e6 AS seconds_before_closing"
                f" FROM read_parquet([{listed}], hive_partitioning = false)"
                " WHERE business_day BETWEEN ? AND ? ORDER BY kafka_partition, kafka_offset",
                list(days),
            )
            .to_arrow_table()
            .to_pandas()
        )


def _numbered(name: str) -> str:
    """Return an expression that tells equal values and NULL, and no more: the Data Docs show samples."""
    column = quoted(name, "duckdb")
    return f"CASE WHEN {column} IS NOT NULL THEN dense_rank() OVER (ORDER BY {column}) END AS {column}"


def records_frame(balance: Balance) -> pd.DataFrame:
    """Return one row: by how much bronze differs from the topic, and its tables from bronze."""
    import pandas as pd

    placed = balance.silver + balance.late + balance.rejected + balance.duplicates
    return pd.DataFrame(
        [{"not_in_bronze": balance.produced - balance.bronze, "not_accounted": balance.bronze - placed}]
    )


def comparison_frame(compared: Compared) -> pd.DataFrame:
    """Return one row a KPI: what may not be, however large a difference is."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "kpi": name,
                "broken_walks": kpi.broken,
                "crowded_cells": kpi.crowded,
                "beyond_without_cause": sum(
                    1
                    for difference in kpi.listed
                    if difference.beyond and not difference.shares and difference.batch != difference.stream
                ),
            }
            for name, kpi in compared.kpis.items()
        ]
    )


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def _read(suite: str, result: Any) -> Check:
    """Return one result without anything that another run would say otherwise."""
    config, found = result.expectation_config, result.result
    arguments = config.kwargs
    column = str(arguments.get("column") or ", ".join(arguments.get("column_list", ())))
    if result.exception_info and result.exception_info.get("raised_exception"):
        seen = f"could not run: {result.exception_info.get('exception_message')}"
    else:
        seen = ", ".join(_told(found))
    return Check(suite, str(config.type), column, bool(result.success), seen)


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    if "element_count" in found:
        yield f"{found['element_count']} rows"
        yield f"{found.get('unexpected_count', 0)} unexpected"
    if found.get("observed_value") is not None:
        yield f"observed {found['observed_value']}"
