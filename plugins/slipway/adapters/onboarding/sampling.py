"""Samples of records: from a file, a Kafka topic, or a dbt model of events. Nothing is written anywhere."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from slipway.domain.instants import zulu
from slipway.domain.plurals import counted
from slipway.domain.sample import Record, Sample
from slipway.errors import Permanent, Retryable

SECONDS = 20.0
LARGEST = 2**20
"""Bytes of a line that is still looked at."""

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)


def from_file(path: Path, most: int) -> Sample:
    """Read the first records of a file: .jsonl, .ndjson, .json, .csv, .avro.

    A .json holds one object, a list of them, or one a line.
    """
    what = "record"
    try:
        match path.suffix.lower():
            case ".jsonl" | ".ndjson":
                records, unreadable, what = _json_lines(path, most)
            case ".json":
                records, unreadable, what = _json(path, most)
            case ".csv":
                records, unreadable = list(_csv(path, most)), 0
            case ".avro":
                records, unreadable = list(_avro(path, most)), 0
            case other:
                raise Permanent(
                    f"{path}: a file called *{other} is not known; give .jsonl, .ndjson, .json, .csv or .avro"
                )
    except OSError as error:
        raise Permanent(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Permanent(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8 text") from error
    _refuse_empty(records, unreadable, str(path), what)
    return Sample(f"{counted(len(records), 'record')} of {path.name}", tuple(records), unreadable)


def from_topic(settings: Mapping[str, str], topic: str, most: int) -> Sample:
    """Read the newest records of a topic, without committing anything; bounded by number and by time.

    settings: librdkafka's. Retryable when the cluster does not answer.
    """
    from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition

    own = {
        "group.id": f"slipway-init-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer({**settings, **own, "enable.partition.eof": False})
    try:
        found = consumer.list_topics(timeout=SECONDS).topics
        if topic not in found:
            raise Permanent(f"the cluster has no topic {topic}; it has {_some(found)}")
        ends: dict[int, int] = {}
        assigned = []
        share = -(-most // len(found[topic].partitions))
        for partition in found[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=SECONDS)
            if low < high:
                ends[partition] = high
                assigned.append(TopicPartition(topic, partition, max(low, high - share)))
        consumer.assign(assigned)
        messages = _poll(consumer, ends, most)
    except KafkaException as error:
        raise Retryable(
            f"Kafka did not let {topic} be read: {error.args[0].str()}; is the broker up?"
        ) from error
    finally:
        consumer.close()
    records: list[Record] = []
    unreadable = 0
    for message in messages:
        kind, millis = message.timestamp()
        arrived = None if kind == TIMESTAMP_NOT_AVAILABLE else datetime.fromtimestamp(millis / 1000, tz=UTC)
        values = _object(message.value())
        if values is None:
            unreadable += 1
        else:
            key = message.key()
            shown = None if key is None else key.decode("utf-8", "replace")
            records.append(Record(values, shown, arrived, len(message.value())))
    if not records and any((message.value() or b"")[:1] == b"\x00" for message in messages):
        raise Permanent(
            f"the records of {topic} begin with a zero byte, as framed Avro does: export a sample as an Avro "
            "file (--from-file), and write `format: avro` into the draft"
        )
    _refuse_empty(records, unreadable, f"topic {topic}")
    newest = counted(len(records), "record") if len(records) > 1 else "record"
    return Sample(f"the newest {newest} of topic {topic}", tuple(records), unreadable, topic)


def _poll(consumer: Any, ends: dict[int, int], most: int) -> list[Any]:
    """Return messages up to the ends that were seen at the beginning, a number of them, or the deadline."""
    messages: list[Any] = []
    deadline = time.monotonic() + SECONDS
    while ends and len(messages) < most and time.monotonic() < deadline:
        message = consumer.poll(min(1.0, deadline - time.monotonic()))
        if message is None:
            continue
        if message.error():
            raise Retryable(f"Kafka stopped while it was read: {message.error().str()}")
        messages.append(message)
        if message.offset() + 1 >= ends.get(message.partition(), 0):
            ends.pop(message.partition(), None)
    return messages


def _refuse_empty(records: list[Record], unreadable: int, where: str, what: str = "record") -> None:
    if not records:
        why = f"none of its {unreadable} {what}s is a JSON object" if unreadable else "it holds no record"
        why = f"its only {what} is no JSON object" if unreadable == 1 else why
        raise Permanent(f"{where} gives no sample: {why}; a draft needs some real records")


def _some(names: Iterable[str]) -> str:
    shown = sorted(name for name in names if not name.startswith("__"))
    return ", ".join(shown[:10]) + (" and others" if len(shown) > 10 else "") if shown else "none"


def _json(path: Path, most: int) -> tuple[list[Record], int, str]:
    """Read a file that is one document, however it is broken into lines; or else an object a line."""
    with path.open("rb") as file:
        first = file.readline(LARGEST)
        if _object(first.strip()) is not None and file.read(LARGEST).strip():
            return _json_lines(path, most)
    whole = _loads(path.read_bytes())
    if isinstance(whole, dict):
        return [_of(whole)], 0, "record"
    return _json_lines(path, most)


def _json_lines(path: Path, most: int) -> tuple[list[Record], int, str]:
    """Return records, the number of those that are none, and what those are called."""
    with path.open("rb") as file:
        head = file.read(LARGEST)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        whole = _loads(path.read_bytes())
        if not isinstance(whole, list):
            raise Permanent(f"{path} begins like a list of records, but is not JSON")
        found = [item for item in whole[:most] if isinstance(item, dict)]
        return [_of(item) for item in found], len(whole[:most]) - len(found), "record"
    records: list[Record] = []
    unreadable = 0
    with path.open("rb") as file:
        while len(records) < most and (line := file.readline(LARGEST)):
            if not line.strip():
                continue
            values = _object(line.strip())
            if values is None:
                unreadable += 1
            else:
                records.append(Record(values, size=len(line.strip())))
    return records, unreadable, "line"


def _of(values: dict[str, Any]) -> Record:
    return Record(values, size=len(json.dumps(values, default=str, separators=(",", ":"))))


def _object(value: bytes | None) -> dict[str, Any] | None:
    found = _loads(value) if value is not None else None
    return found if isinstance(found, dict) else None


def _loads(value: bytes) -> Any:
    try:
        return json.loads(value.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, RecursionError):  # whatever bytes people have, they are not worth more than a count
        return None


def _csv(path: Path, most: int) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.read(64 * 1024)
        file.seek(0)
        try:
            dialect: Any = csv.Sniffer().sniff(head, delimiters=",;\t|")
        except csv.Error:
            dialect = csv.excel
        reader = csv.DictReader(file, dialect=dialect)
        try:
            for row, _ in zip(reader, range(most), strict=False):
                values = {name: _typed(text) for name, text in row.items() if name}
                yield Record(values, size=len(json.dumps(values, default=str, separators=(",", ":"))))
        except csv.Error as error:
            raise Permanent(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _typed(text: Any) -> Any:
    """Return what a cell of a CSV file would be in JSON; 007 and 1.50 stay text, for they may be codes."""
    if not isinstance(text, str) or text == "":
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if _INTEGER.fullmatch(text) else text


def _avro(path: Path, most: int) -> Iterator[Record]:
    from fastavro import reader

    buffer = io.BytesIO(path.read_bytes())
    try:
        for values, _ in zip(reader(buffer), range(most), strict=False):
            if isinstance(values, dict):
                yield Record({name: _jsonable(value) for name, value in values.items()})
    except (ValueError, EOFError, StopIteration, KeyError) as error:
        raise Permanent(f"{path} is not an Avro container file: {error}") from error


def _jsonable(value: Any) -> Any:
    """Return an Avro value as JSON would carry it."""
    match value:
        case datetime():
            return zulu(value)
        case date():
            return value.isoformat()
        case float():
            return Decimal(str(value))
        case bytes():
            return None
        case _:
            return value
