"""Where ports meet adapters; the only place that knows both. Adapters are imported when they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slipway.adapters.contracts import (
    ContractFileError,
    contract_files,
    load_all,
    load_migration,
    load_outline,
)
from slipway.connections import Endpoint, endpoint, login_of
from slipway.domain.contract import Migration
from slipway.domain.skew import KeySample
from slipway.errors import Permanent
from slipway.ports import ConnectionSeen, Drafts, Lake, Ledger, Schemas, Scripts, World

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.sample import Sample

SQL_DRIVER = "flink-sql-gateway-2.1.3.jar"


def home() -> Path:
    """Return the checkout: SLIPWAY_HOME, or the folder that this package lies in."""
    given = os.environ.get("SLIPWAY_HOME")
    return Path(given) if given else Path(__file__).parents[2]


def contracts_folder() -> Path:
    """Return where the contracts are."""
    return home() / "include" / "migrations"


def migrations() -> Mapping[str, Migration]:
    """Return every migration by name; ContractFileError lists the complaints of all files."""
    return load_all(contracts_folder())


def migration(name: str) -> Migration:
    """Return one migration, read afresh from its file."""
    path = contracts_folder() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(other.stem for other in contract_files(contracts_folder())) or "none"
        raise Permanent(f"there is no migration {name} (no file {path}); known are {known}")
    return load_migration(path)


def readable_migrations() -> Iterator[Migration]:
    """Yield the migrations whose contracts can be read; one broken file must not hide the others.

    Their expressions are compiled when a KPI is asked for: every file of DAGs goes through all contracts.
    """
    for path in contract_files(contracts_folder()):
        try:
            yield load_outline(path)
        except ContractFileError:
            continue  # dags/contracts.py raises it, where Airflow shows it as an import error of its own


def drafts() -> Drafts:
    """Return what writes the files of a new migration."""
    from slipway.adapters.onboarding.files import DraftFiles

    return DraftFiles(contracts_folder(), home() / "dbt_project")


def draft_sample(kind: Literal["file", "topic", "model"], name: str, most: int) -> Sample:
    """Return records to draft a contract from: of a file, the newest of a topic, or a dbt model's columns."""
    from slipway.adapters.onboarding import dbt_models, sampling

    match kind:
        case "file":
            return sampling.from_file(Path(name), most)
        case "topic":
            return sampling.from_topic(_kafka(), name, most)
        case "model":
            # The warehouse is asked only when the project does not tell the types.
            return dbt_models.from_model(
                home() / "dbt_project", name, lambda: libpq(endpoint("slipway_warehouse"))
            )


@cache
def ledger() -> Ledger:
    """Return the ledger alone, for whoever must not wait for the rest."""
    from slipway.ledger.store import PostgresLedger

    return PostgresLedger(libpq(endpoint("slipway_ledger")))


@cache
def world() -> World:
    """Return every port with its adapter. Nothing is connected before it is used."""
    from slipway.adapters.amendments import PostgresAmendments
    from slipway.adapters.clock import SystemClock
    from slipway.adapters.comparison import DuckDBClosedRows, DuckDBComparison, PostgresWarehouse
    from slipway.adapters.comparison.duckdb_comparison import MEMORY
    from slipway.adapters.comparison.on_flink import FlinkFolds
    from slipway.adapters.dbt import DbtBaseline
    from slipway.adapters.dead_letters import KafkaDeadLetters
    from slipway.adapters.evidence_files import EvidenceFiles
    from slipway.adapters.expectations import GreatExpectations
    from slipway.adapters.flink.rest import FlinkEngine
    from slipway.adapters.fold_tables import FoldTables
    from slipway.adapters.kafka import KafkaTopics
    from slipway.adapters.lake.late_rows import DuckDBLateRows
    from slipway.adapters.report import HtmlReports
    from slipway.adapters.serving.postgres import PostgresServing
    from slipway.adapters.warehouse_facts import WarehouseFacts
    from slipway.adapters.warehouse_roles import WarehouseWriters

    flink, warehouse = endpoint("slipway_flink"), endpoint("slipway_warehouse")
    server, kept = libpq(warehouse), Path(_extra(endpoint("slipway_lake"), "evidence"))
    sql, work = home() / "include" / "sql", kept.parent
    writers = WarehouseWriters(server, flink.password)
    compared = PostgresWarehouse(
        warehouse.host, warehouse.port, warehouse.schema, warehouse.login, warehouse.password
    )
    engine = FlinkEngine(_url(flink), home() / ".local" / "jars" / "submit" / SQL_DRIVER)
    return World(
        clock=SystemClock(),
        ledger=ledger(),
        topics=KafkaTopics(_kafka()),
        schemas=registry(),
        engine=engine,
        scripts=scripts(),
        writers=writers,
        lake=_lake(),
        late_rows=DuckDBLateRows(),
        closed_rows=DuckDBClosedRows(compared, sql / "reconcile", work / "comparison"),
        dead_letters=KafkaDeadLetters(_kafka()),
        amendments=PostgresAmendments(server, writers),
        serving=PostgresServing(server),
        baseline=DbtBaseline(home() / "dbt_project", server, sql / "batch" / "slipway_run.sql", work / "dbt"),
        evidence=EvidenceFiles(kept),
        facts=WarehouseFacts(server),
        comparison=DuckDBComparison(
            compared,
            sql / "reconcile",
            work / "comparison",
            memory=str(endpoint("slipway_lake").extra.get("comparison_memory") or MEMORY),
            folds={"flink": FlinkFolds(engine, scripts(), FoldTables(server, writers), SystemClock())},
        ),
        expectations=GreatExpectations(kept / "docs"),
        reports=HtmlReports(kept / "reports"),
    )


def migration_at(path: Path) -> Migration:
    """Return the migration of a contract that lies anywhere."""
    return load_migration(path)


def check_expectations(migration: Migration) -> Sequence[str]:
    """Return what Great Expectations finds wrong with a contract's own expectations; reaches no system."""
    if not migration.contract.expectations:
        return ()
    from slipway.adapters.expectations.great_expectations import validate

    return tuple(validate(migration))


def registry(url: str | None = None) -> Schemas:
    """Return the schema registry at a URL, else that of the connection."""
    from slipway.adapters.registry import SchemaRegistry

    if url:
        return SchemaRegistry(url)  # the connection's login is not shown to another server
    found = endpoint("slipway_registry")
    return SchemaRegistry(_url(found), login_of(found))


def cluster_facts(topic: str) -> tuple[int, int | None]:
    """Return how many brokers the cluster has, and the topic's partitions, None when it is absent."""
    from slipway.adapters.kafka import KafkaTopics

    topics = KafkaTopics(_kafka())
    found = topics.describe(topic)
    return topics.brokers(), found.partitions if found else None


def keys_of_topic(migration: Migration, topic: str | None = None) -> KeySample:
    """Return keys of a topic, the contract's unless another is named; of the contract's, ids too."""
    from slipway.adapters.key_samples import from_topic, id_in_avro, id_in_json

    events = migration.contract.events
    if topic not in (None, events.topic):
        return from_topic(str(topic), _kafka(), foreign=True)
    read = id_in_json(events.id) if events.format == "json" else id_in_avro(events.id, registry())
    return from_topic(events.topic, _kafka(), read)


def keys_of_file(migration: Migration, path: Path) -> KeySample:
    """Return keys of events in a file."""
    from slipway.adapters.key_samples import from_file

    return from_file(migration, path)


def keys_of_table(migration: Migration, table: str) -> KeySample:
    """Return keys of rows in the warehouse."""
    from slipway.adapters.key_samples import from_table

    return from_table(migration, table, libpq(endpoint("slipway_warehouse")))


def check_connections() -> Sequence[ConnectionSeen]:
    """Look at every connection and what is behind it; reaches all systems."""
    from slipway.adapters.connection_checks import check_connections as check

    return check()


@cache
def scripts() -> Scripts:
    """Return what renders the jobs; rendering reaches no system."""
    from slipway.adapters.flink.render import Endpoints, FlinkScripts

    warehouse, lake = endpoint("slipway_warehouse"), endpoint("slipway_lake")
    return FlinkScripts(
        home() / "flink_jobs" / "pipeline",
        Endpoints(
            kafka=_kafka()["bootstrap.servers"],
            warehouse=f"jdbc:postgresql://{warehouse.host}:{warehouse.port}/{warehouse.schema}",
            catalog=f"jdbc:postgresql://{lake.host}:{lake.port}/{lake.schema}?user={lake.login}",
            lake=_extra(lake, "warehouse"),
            registry=_url(endpoint("slipway_registry")),
        ),
        home() / "flink_jobs" / "decode" / "target" / "slipway-decode.jar",
    )


def _lake() -> Lake:
    from sqlalchemy import URL

    from slipway.adapters.lake.catalog import IcebergLake

    lake = endpoint("slipway_lake")
    catalog = URL.create("postgresql+psycopg", lake.login, lake.password, lake.host, lake.port, lake.schema)
    return IcebergLake(catalog, _extra(lake, "warehouse"))


def _kafka() -> Mapping[str, str]:
    return {str(key): str(value) for key, value in endpoint("slipway_kafka").extra.items()}


def _url(found: Endpoint) -> str:
    return f"{found.host}:{found.port}{found.extra.get('path', '')}"


def _extra(found: Endpoint, key: str) -> str:
    if not found.extra.get(key):
        raise Permanent(f"the connection {found.conn_id} has no {key!r} in its extra; add it in Airflow")
    return str(found.extra[key])


def libpq(found: Endpoint) -> Mapping[str, str]:
    """Return a connection as libpq's parameters."""
    return {
        "host": found.host,
        "port": str(found.port),
        "user": found.login,
        "password": found.password,
        "dbname": found.schema,
    }
