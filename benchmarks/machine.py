"""What a figure needs to be believed: the date, the machine, and the spread."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil


def heading(title: str) -> str:
    """Return a line that says what was measured, when, and on what."""
    memory = psutil.virtual_memory().total / 2**30
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    return f"{title} | {datetime.now(UTC):%Y-%m-%d} | {os.cpu_count()} cores ({model}), {memory:.0f} GiB"


def spread(seconds: Sequence[float]) -> str:
    """Return median and 99th percentile of a sample, in milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, n {len(ordered)}"
