"""Samples of keys, to see how they would fall on partitions: from a topic, a file or a table."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from psycopg import sql

from slipway.domain import record_key
from slipway.domain.contract import Migration
from slipway.domain.skew import KeySample
from slipway.errors import Permanent, Retryable, why
from slipway.ports import Schemas

MOST = 200_000
"""Records that are looked at; a share of 0.1 % is then known to a few hundredths of a percent."""

ReadId = Callable[[str | bytes | None], str | None]
"""Given a record's value: the event's id; None when it is no event."""

_SILENT = logging.getLogger("slipway.key_samples")


def from_file(migration: Migration, path: Path) -> KeySample:
    """Read events from a file of JSON lines. Permanent names the line that is no event with these fields."""
    events, plain = migration.contract.events, record_key.is_plain(migration)
    keys: Counter[bytes] = Counter()
    by_id: defaultdict[str, set[bytes]] = defaultdict(set)
    keyless = 0
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if number > MOST:
                    break
                if not line.strip():
                    continue
                value = _event(line, f"{path}:{number}", (*events.key, events.id))
                try:
                    key = record_key.key_bytes(events.key, value, plain=plain)
                except UnicodeEncodeError as error:
                    raise Permanent(
                        f"{path}:{number}: {', '.join(events.key)} holds half a surrogate pair, which is not "
                        "text and can be no key"
                    ) from error
                if key is None:
                    keyless += 1
                    continue
                keys[key] += 1
                by_id[str(value[events.id])].add(key)
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"the sample {path} can't be read: {why(error)}") from error
    strays = sum(len(found) > 1 for found in by_id.values())
    return KeySample(str(path), keys, keyless, strays, len(by_id), sum(keys.values()))


def _event(line: str, place: str, needed: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Permanent(f"{place}: not JSON ({error}); a sample is a file with one event a line") from error
    lacking = [name for name in needed if not isinstance(value, dict) or name not in value]
    if lacking:
        raise Permanent(f"{place}: the event has no {', '.join(lacking)}")
    found: Mapping[str, Any] = value
    return found


def from_table(migration: Migration, table: str, server: Mapping[str, str]) -> KeySample:
    """Count rows of a table or view (schema.table) of the warehouse by key. server: libpq parameters."""
    events, plain = migration.contract.events, record_key.is_plain(migration)
    schema, dot, name = table.partition(".")
    if not dot:
        raise Permanent(f"{table!r} is not schema.table, such as staging.events")
    relation, columns = sql.Identifier(schema, name), sql.SQL(", ").join(map(sql.Identifier, events.key))
    counted = sql.SQL("SELECT {0}, count(*) FROM {1} GROUP BY {0}").format(columns, relation)
    strays = sql.SQL(
        "SELECT count(*) FILTER (WHERE keys > 1), count(*), coalesce(sum(records), 0) FROM (SELECT "
        "count(DISTINCT ({2})::text) AS keys, count(*) AS records FROM {0} GROUP BY {1}) AS by_id"
    ).format(relation, sql.Identifier(events.id), sql.SQL("ROW({0})").format(columns))
    keys: Counter[bytes] = Counter()
    keyless = 0
    try:
        with psycopg.connect(
            **dict(server),  # type: ignore[arg-type]
            connect_timeout=5,
            application_name="slipway sample",
        ) as connection:
            for *values, count in connection.execute(counted):
                key = record_key.key_bytes(
                    events.key, dict(zip(events.key, values, strict=True)), plain=plain
                )
                if key is None:
                    keyless += count
                else:
                    keys[key] += count
            row = connection.execute(strays).fetchone()
    except psycopg.OperationalError as error:
        raise Retryable(f"the warehouse can't be reached: {str(error).strip()}") from error
    except psycopg.Error as error:
        raise Permanent(
            f"the sample {table} can't be read: {str(error).strip()}; it needs the columns "
            f"{', '.join((*events.key, events.id))}"
        ) from error
    return KeySample(table, keys, keyless, *(map(int, row) if row else ()))


def from_topic(
    topic: str, settings: Mapping[str, str], read_id: ReadId | None = None, *, foreign: bool = False
) -> KeySample:
    """Read from the beginning of each partition of a topic, as many records of each. settings: librdkafka's.

    A partition that is not read to its end counts for as much as it holds. read_id: how values tell their id;
    None: only keys are looked at. foreign: the topic is not the contract's.
    """
    consumer = Consumer(
        {
            **settings,
            "group.id": "slipway-sample",
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "enable.partition.eof": "false",
        },
        logger=_SILENT,
    )
    try:
        found = consumer.list_topics(topic, timeout=15).topics[topic]
        if found.error is not None or not found.partitions:
            raise Permanent(f"there is no topic {topic} to take a sample from")
        sample = _sample(consumer, topic, sorted(found.partitions), read_id)
        return replace(sample, foreign=foreign)
    except KafkaException as error:
        raise Retryable(f"Kafka did not give a sample of {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _sample(consumer: Consumer, topic: str, partitions: list[int], read_id: ReadId | None) -> KeySample:
    most = max(MOST // len(partitions), 1)
    keys: defaultdict[bytes, float] = defaultdict(float)
    by_id: defaultdict[str, set[bytes]] = defaultdict(set)
    read = identified = 0
    keyless = 0.0
    for partition in partitions:
        start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=15)
        if start >= end:
            continue
        until = min(end, start + most)
        weight = (end - start) / (until - start)
        for record in _records(consumer, topic, partition, start, until):
            key = record.key()
            read += 1
            if key is None:
                keyless += weight
            else:
                keys[_bytes(key)] += weight
            identity = None if read_id is None else read_id(record.value())
            if identity is not None:
                identified += 1
                by_id[identity].add(b"" if key is None else _bytes(key))
    if not identified:
        return KeySample(topic, dict(keys), round(keyless), read=read)
    strays = sum(len(found) > 1 for found in by_id.values())
    return KeySample(topic, dict(keys), round(keyless), strays, len(by_id), identified, read)


def _records(consumer: Consumer, topic: str, partition: int, start: int, end: int) -> Iterator[Message]:
    consumer.assign([TopicPartition(topic, partition, start)])
    place, idle = start, 0
    while place < end and idle < 5:
        batch = consumer.consume(1000, timeout=1.0)
        idle = 0 if batch else idle + 1  # the last offsets may be marks of transactions, not records
        for record in batch:
            error, offset = record.error(), record.offset()
            if error is not None or offset is None:
                raise Retryable(f"Kafka did not give a sample of {topic}: {error}")
            place = offset + 1
            if offset >= end:
                break
            yield record


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def id_in_json(field: str) -> ReadId:
    """Return how to read the id from a JSON value; records that are no such event have none."""

    def read(value: str | bytes | None) -> str | None:
        try:
            event = json.loads(value or b"")
        except (ValueError, RecursionError):
            return None
        found = event.get(field) if isinstance(event, dict) else None
        return found if isinstance(found, str) else None

    return read


def id_in_avro(field: str, schemas: Schemas) -> ReadId:
    """Return how to read the id from a value in Confluent's frame, with its writer's schema."""
    import fastavro

    @cache
    def writer(number: int) -> Any:
        text = schemas.text(number)
        return None if text is None else fastavro.parse_schema(json.loads(text))

    def read(value: str | bytes | None) -> str | None:
        raw = b"" if value is None else _bytes(value)
        schema = writer(int.from_bytes(raw[1:5])) if len(raw) > 5 and raw[0] == 0 else None
        if schema is None:
            return None
        try:
            event = fastavro.schemaless_reader(io.BytesIO(raw[5:]), schema, None)
        except (ArithmeticError, EOFError, LookupError, TypeError, ValueError):  # arbitrary bytes
            return None
        found = event.get(field) if isinstance(event, dict) else None
        return found if isinstance(found, str) else None

    return read
