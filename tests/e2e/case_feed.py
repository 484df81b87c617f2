"""Feeds a case: the operational tables of its batch side, and its topic, up to an instant."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import httpx
from confluent_kafka import KafkaError, Message, Producer
from psycopg import sql
from pyiceberg.catalog.sql import SqlCatalog

from demo import operational
from tests.e2e.cases.records import Sent
from tests.stack import Stack


class Feed:
    """One case's systems outside Slipway. events: the section of the contract; sent: the whole story."""

    def __init__(self, stack: Stack, events: Mapping[str, Any], sent: Sequence[Sent]) -> None:
        self._stack, self._events, self._sent = stack, events, sent
        self._done = 0

    def tables(self, ddl: str, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        """Create and fill the operational tables; what is still to come is told by their instants."""
        with self._stack.postgres("warehouse", "slipway_warehouse") as connection:
            operational.prepare(connection, [])
            connection.execute(ddl.encode())
            for table, content in rows.items():
                statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(*table.split(".")))
                with connection.cursor() as cursor, cursor.copy(statement) as copy:
                    for row in content:
                        copy.write_row(row)

    def replay(self, to: datetime) -> None:
        """Send what arrived up to an instant and was not sent yet, each with its own instant."""
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        producer = Producer(
            {
                **self._stack.conn("kafka")["extra"],
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
            }
        )
        encode = self._avro() if self._events.get("format") == "avro" else _json
        while self._done < len(self._sent) and self._sent[self._done].arrival <= to:
            record = self._sent[self._done]
            value = record.event if isinstance(record.event, bytes) else encode(record.event)
            at = round(record.arrival.timestamp() * 1000)
            producer.produce(
                self._events["topic"], value, record.key.encode(), timestamp=at, on_delivery=delivered
            )
            self._done += 1
        left = producer.flush(60)
        if left or failures:
            raise AssertionError(f"{left} records were not confirmed; {failures[:1]}")
        with self._stack.postgres("warehouse", "slipway_warehouse") as connection:
            operational.note_progress(connection, self._events["topic"], to, self._done)

    def catalog(self) -> SqlCatalog:
        """Return the lake as PyIceberg sees it."""
        conn = self._stack.conn("lake")
        uri = "postgresql+psycopg://{login}:{password}@{host}:{port}/{schema}".format(**conn)
        return SqlCatalog("lake", uri=uri, warehouse=conn["extra"]["warehouse"], init_catalog_tables="false")

    def _avro(self) -> Any:
        """Return what frames an event as Confluent's serializers do: 0, schema id, Avro."""
        folder = Path(self._stack.env["SLIPWAY_HOME"]) / "include" / "migrations"
        text = (folder / self._events["schema"]).read_text(encoding="utf-8")
        address = (
            f"{self._stack.settings.registry_url}/apis/ccompat/v7/subjects/{self._events['topic']}-value"
        )
        answer = httpx.get(f"{address}/versions/latest", timeout=30)
        answer.raise_for_status()
        frame = b"\x00" + int(answer.json()["id"]).to_bytes(4, "big")
        schema = fastavro.parse_schema(json.loads(text))

        def encode(event: Mapping[str, Any]) -> bytes:
            body = io.BytesIO()
            fastavro.schemaless_writer(body, schema, event)
            return frame + body.getvalue()

        return encode


def _json(event: Mapping[str, Any]) -> bytes:
    return json.dumps({name: _plain(value) for name, value in event.items()}, ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    """Amounts as JSON numbers; every amount of a case has few enough digits to survive as a double."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return float(value)
        case _:
            return value
