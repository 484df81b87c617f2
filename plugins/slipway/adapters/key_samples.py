"""Samples of keys, to see how they would fall on partitions: from a topic, a file or a table."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg import sql

from slipway.domain import record_key
from slipway.domain.contract import Migration
from slipway.domain.skew import KeySample
from slipway.errors import Permanent, Retryable, why

MOST = 200_000
"""Records that are looked at; a share of 0.1 % is then known to a few hundredths of a percent."""

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
                key = record_key.key_bytes(events.key, value, plain=plain)
                if key is None:
                    keyless += 1
                    continue
                keys[key] += 1
                by_id[str(value[events.id])].add(key)
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"the sample {path} can't be read: {why(error)}") from error
    strays = sum(len(found) > 1 for found in by_id.values())
    return KeySample(str(path), keys, keyless, strays, len(by_id))


def _event(line: str, place: str, needed: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
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
        "SELECT count(*) FILTER (WHERE keys > 1), count(*) FROM (SELECT count(DISTINCT ({2})::text) AS keys "
        "FROM {0} GROUP BY {1}) AS by_id"
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
    return KeySample(table, keys, keyless, *((int(row[0]), int(row[1])) if row else (None, None)))


def from_topic(topic: str, settings: Mapping[str, str]) -> KeySample:
    """Read keys from the beginning of each partition of a topic, as many of each. settings: librdkafka's."""
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
        return KeySample(topic, *_keys(consumer, topic, sorted(found.partitions)))
    except KafkaException as error:
        raise Retryable(f"Kafka did not give a sample of {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _keys(consumer: Consumer, topic: str, partitions: list[int]) -> tuple[Counter[bytes], int]:
    most = max(MOST // len(partitions), 1)
    keys: Counter[bytes] = Counter()
    keyless = 0
    for partition in partitions:
        start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=15)
        end = min(end, start + most)
        if start >= end:
            continue
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
                key = record.key()
                if key is None:
                    keyless += 1
                else:
                    keys[bytes(key)] += 1
    return keys, keyless
