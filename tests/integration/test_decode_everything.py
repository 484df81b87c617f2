"""Records of every kind on the real stack: each is accounted for, and none stops a job."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from slipway.domain.event_values import Refused
from slipway.domain.evidence import Balance
from slipway.domain.validity import Validity
from slipway.domain.wire import check_json
from tests.integration import odd_records
from tests.integration.odd_records import ARRIVED, Odd
from tests.integration.running import Running, eventually, running
from tests.stack import Stack

NEW_YORK = ZoneInfo("America/New_York")
MUTATED = 3_000


@pytest.fixture(scope="module")
def odd(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("migrations")
    with running(stack, folder, odd_records.CONTRACT, odd_records.SCHEMA) as found:
        yield found


def sent(odd: Running) -> list[Odd]:
    """Everything that is produced, in order; of a mutated value the producer's rules tell the fate."""
    records = [Odd(value, "rejected", reason) for value, reason in odd_records.REFUSED]
    records += [*odd_records.accepted(), *odd_records.others(), *odd_records.keys()]
    validity, seen = Validity(odd.migration), set[str]()
    for value in odd_records.mutated(MUTATED):
        try:
            event = dict(check_json(validity, value, round(ARRIVED.timestamp() * 1000)).values)
        except Refused as refused:
            records.append(Odd(value, "rejected", str(refused)))
            continue
        late = event["at"].as_datetime() < ARRIVED - timedelta(hours=36)
        event["at"] = event["at"].as_datetime()
        fate = "duplicate" if event["id"] in seen else "late" if late else "silver"
        seen.add(event["id"])
        records.append(Odd(value, fate, event=event))
    return records


def test_every_record_is_accounted_for_with_its_reason(odd: Running) -> None:
    records = sent(odd)
    odd.produce((record.key, record.value, record.arrival) for record in records)

    balance = odd.settled()

    fates = Counter(record.fate for record in records)
    assert min(fates.values()) > 1
    assert fates["rejected"] > 500
    assert balance == Balance(
        produced=len(records),
        bronze=len(records),
        silver=fates["silver"],
        late=fates["late"],
        rejected=fates["rejected"],
        duplicates=fates["duplicate"],
    )
    wanted = Counter(record.reason for record in records if record.reason)
    for table in ("rejected.odd__r1", "bronze.odd"):
        found = Counter(reason for (reason,) in odd.rows(table, "reason") if reason is not None)
        assert found - wanted == Counter(), table
        assert wanted - found == Counter(), table


def test_dead_letters_are_the_bytes_that_came_whatever_their_size(odd: Running) -> None:
    wanted = Counter((r.key, r.value, r.reason) for r in sent(odd) if r.fate == "rejected")

    letters = list(odd.dead_letters())

    assert Counter((key, value, headers["reason"].decode()) for key, value, headers in letters) == wanted
    for _, _, headers in letters:
        assert {"stage", "source_partition", "source_offset", "schema_id", "time"} <= headers.keys()
        assert datetime.fromisoformat(headers["time"].decode()).tzinfo is not None


def test_good_events_count_for_what_they_say(odd: Running) -> None:
    counted = [record.event for record in sent(odd) if record.fate == "silver" and record.event]
    quarters: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    weeks: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for event in counted:
        at: datetime = event["at"]
        local = at.astimezone(NEW_YORK)
        monday = local.date() - timedelta(days=local.weekday())
        quarter = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
        quarters[quarter, event["code"]].append(event)
        weeks[monday, event.get("label")].append(event)

    def values(events: list[dict[str, Any]], field: str) -> list[Any]:
        return [event[field] for event in events if event.get(field) is not None]

    same(
        odd,
        "odd_quarters",
        "at, code, records, price, small, labels",
        {
            (
                *cell,
                len(events),
                sum(map(Decimal, values(events, "price")), Decimal(0)),
                sum(values(events, "small")),
                len(set(values(events, "label"))),
            )
            for cell, events in quarters.items()
        },
    )
    same(
        odd,
        "odd_weeks",
        "week, label, records, yes",
        {(*cell, len(events), len([e for e in events if e.get("flag")])) for cell, events in weeks.items()},
    )


def same(odd: Running, kpi: str, columns: str, wanted: set[tuple[Any, ...]]) -> None:
    def equal() -> bool | None:
        return set(odd.kpi_rows(kpi, columns)) == wanted or None

    try:
        eventually(equal, kpi)
    except AssertionError:
        found = set(odd.kpi_rows(kpi, columns))
        raise AssertionError(f"{kpi} lacks {wanted - found} and has {found - wanted}") from None


def test_extremes_are_stored_as_they_were_sent(odd: Running) -> None:
    rows = dict(
        (row[0], row[1:])
        for row in odd.rows(
            "silver.odd__r1",
            "id, small, big, price, share, seen_at::varchar, day, octet_length(encode(note))",
        )
    )

    assert rows["good-1"][:3] == (2**31 - 1, 2**63 - 1, Decimal("0.0001"))
    assert rows["good-2"][1:3] == (-(2**63), Decimal(1000))
    assert rows["good-3"][4] == "9999-12-29 23:59:59.999999+00"
    assert str(rows["good-4"][3]) == "0.0"
    assert (rows["good-4"][4], str(rows["good-4"][5])) == ("0001-01-02 00:00:00+00", "0001-01-01")
    assert rows["w8"][1:4] == (0, None, 0.0)
    assert rows["w6"][6] == 1_000_000


def test_no_job_has_restarted(odd: Running) -> None:
    assert odd.restarts() == {"ingest": 0, "revision": 0}
