"""Runs expectations by the library, one result for each, whatever becomes of them."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb

from slipway.adapters.expectations import duckdb_dialect
from slipway.adapters.expectations.data_docs import make_self_contained, site
from slipway.adapters.expectations.looked_at import LookedAt, table_of
from slipway.domain.accounting import Compared
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.domain.expectations import Wanted, wanted
from slipway.ports import Check, Checked

log = logging.getLogger(__name__)

_LONGEST = 200
"""Characters of a library's message that evidence keeps."""


class GreatExpectations:
    """slipway.ports.Expectations.

    docs: folder that keeps the Data Docs of each night. memory: DuckDB's limit, such as 512MB.
    """

    def __init__(self, docs: Path, memory: str = "512MB") -> None:
        self._docs = docs
        self._memory = memory

    def check(
        self,
        migration: Migration,
        silver: Sequence[str],
        days: tuple[date, date],
        balance: Balance,
        compared: Compared,
        rows: Mapping[str, Path],
        label: str,
    ) -> Checked:
        """Run every expectation; one that can't run is a failed check."""
        folder = self._docs / migration.name / label
        self._docs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._docs) as work:
            file = Path(work) / "looked_at.duckdb"
            with duckdb.connect(str(file), config={"memory_limit": self._memory}) as connection:
                looked_at = LookedAt(connection, migration, days)
                looked_at.silver(silver)
                looked_at.records(balance)
                looked_at.comparison(compared)
                looked_at.rows(rows)
            pages = Path(work) / "pages"
            library = _Library(f"duckdb+slipway:///{file}?memory={self._memory}", pages)
            checks = [check for suite in _suites(migration) for check in library.run(suite)]
            checks.sort(key=lambda c: (c.suite, c.kpi, c.source, c.name, c.column, c.seen))
            library.write_pages()
            library.close()
            make_self_contained(pages, (migration.name, *days, library.version), checks, library.ran)
            # A night that is run again for the same instant has its own pages only.
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
            pages.rename(folder)
        return Checked(
            success=all(check.success for check in checks if check.otherwise == "fail"),
            checks=tuple(checks),
            version=library.version,
            docs=str(folder / "index.html"),
        )


def validate(migration: Migration) -> Iterator[str]:
    """Yield what the library finds wrong with the contract's own expectations, without any data."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    for index, one in enumerate(migration.contract.expectations):
        own = Wanted(one.of, one.expect, {k: _listed(v) for k, v in one.arguments.items()})
        made = _made(gx, own)
        if isinstance(made, str):
            yield f"{migration.name}: expectations.{index}: {made}"


def _suites(migration: Migration) -> list[list[Wanted]]:
    """Return the expectations by the table that they look at."""
    suites: dict[str, list[Wanted]] = {}
    for one in wanted(migration):
        suites.setdefault(table_of(one), []).append(one)
    return list(suites.values())


class _Library:
    """One context of the library, with one datasource and the pages of one night."""

    def __init__(self, url: str, folder: Path) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig
        from sqlalchemy.dialects import postgresql

        duckdb_dialect.register()
        self._gx = gx
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._context.add_data_docs_site("night", cast("Any", site(folder)))
        self._source = self._context.data_sources.add_sql(
            "events", connection_string=url, create_temp_table=False
        )
        # Patterns are written as for Postgres; the dialect's compiler says them in DuckDB's words.
        engine: Any = self._source.get_execution_engine()
        engine.dialect_module = SimpleNamespace(dialect=postgresql.dialect)
        self.version = f"great_expectations {gx.__version__}"
        self.ran: dict[str, tuple[str, str]] = {}

    def run(self, suite: Sequence[Wanted]) -> list[Check]:
        """Run the expectations on one table."""
        table = table_of(suite[0])
        runnable: list[tuple[Wanted, Any]] = []
        checks: list[Check] = []
        for one in suite:
            made = _made(self._gx, one)
            if isinstance(made, str):
                checks.append(_check(one, False, made))
            else:
                runnable.append((one, made))
        if runnable:
            source = self._source.add_table_asset(table, table_name=table)
            checks += self._together(table, source.add_batch_definition_whole_table("whole"), runnable)
        return checks

    def close(self) -> None:
        """Let go of the file."""
        self._source.get_engine().dispose()

    def write_pages(self) -> None:
        """Write the Data Docs of everything that ran."""
        self._context.build_data_docs()

    def _together(self, name: str, batch: Any, runnable: Sequence[tuple[Wanted, Any]]) -> list[Check]:
        suite = self._context.suites.add(self._gx.ExpectationSuite(name=name))
        for number, (_, made) in enumerate(runnable):
            made.meta = {"number": number}
            suite.add_expectation(made)
        definition = self._gx.ValidationDefinition(name=name, data=batch, suite=suite)
        self.ran[name] = runnable[0][0].suite, runnable[0][0].kpi
        try:
            found = self._context.validation_definitions.add(definition).run(result_format="SUMMARY")
        except Exception as error:  # an expectation's own code may raise anything
            if len(runnable) == 1:
                log.warning("%s could not run", runnable[0][0].expect, exc_info=error)
                return [_check(runnable[0][0], False, f"could not run: {_line(str(error))}")]
            # One of them took the others with it: each by itself, so that the others are heard.
            alone = [self._together(f"{name}__{n}", batch, [one]) for n, one in enumerate(runnable, start=1)]
            return [check for one in alone for check in one]
        return [
            _read(runnable[cast("Any", result.expectation_config).meta["number"]][0], result)
            for result in found.results
        ]


def _made(gx: Any, one: Wanted) -> Any:
    """Return the library's expectation, or in words why there is none."""
    from great_expectations.expectations.registry import (
        list_registered_expectation_implementations as registered,
    )

    name = "".join(part.capitalize() for part in one.expect.split("_"))
    kind = getattr(gx.expectations, name, None)
    if kind is None:
        import difflib

        near = difflib.get_close_matches(one.expect, registered(), n=1)
        return f"Great Expectations has no {one.expect}" + (f"; did you mean {near[0]}?" if near else "")
    unknown = sorted(set(one.arguments) - set(kind.__fields__))
    if unknown:
        return f"{one.expect} takes no argument {', '.join(unknown)}"
    try:
        return kind(**one.arguments)
    except (ValueError, TypeError) as error:
        return f"wrong arguments: {_line(str(error))}"


def _read(one: Wanted, result: Any) -> Check:
    """Return one result without anything that another run would say otherwise."""
    raised = [found for found in _exceptions(result.exception_info) if found]
    if raised:
        return _check(one, False, f"could not run: {_line(raised[0])}")
    return _check(one, bool(result.success), ", ".join(_told(result.result)))


def _exceptions(info: Mapping[str, Any] | None) -> Iterator[str]:
    if not info:
        return
    if "raised_exception" in info:
        yield str(info.get("exception_message")) if info["raised_exception"] else ""
        return
    for one in info.values():
        yield from _exceptions(one)


def _check(one: Wanted, success: bool, seen: str) -> Check:
    column = ", ".join(one.columns)
    return Check(one.suite, one.expect, column, success, seen, one.kpi, one.source, one.otherwise)


def _line(text: str) -> str:
    # The query behind a database's complaint says nothing to who wrote an expectation.
    lines = [line.strip() for line in text.partition("[SQL:")[0].splitlines() if line.strip()]
    return " ".join(lines)[:_LONGEST]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    if "element_count" in found:
        yield f"{found['element_count']} rows"
        yield f"{found.get('unexpected_count', 0)} unexpected"
    observed = found.get("observed_value")
    if isinstance(observed, float):
        # Threads add doubles up in any order: the last digits are not the same in every run.
        yield f"observed {observed:.9g}"
    elif observed is not None:
        yield f"observed {observed}"
