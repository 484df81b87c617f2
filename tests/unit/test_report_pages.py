"""Every kind of page: what stands on it, that anybody can read it, and that it can hold whatever comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters import report
from slipway.adapters.report import HtmlReports
from slipway.domain.evidence import Digest, canonical
from slipway.domain.narrative import headline
from slipway.domain.night_log import summary
from tests.fakes.document import (
    advice,
    context,
    hidden,
    night,
    restatement,
    waiver,
    warning,
)

KPI = "flights_daily"
DIGEST = Digest("c415" * 16)
LATE = {(KPI, "departed", 9): [("late", 37)]}
CSS = (Path(report.__file__).parent / "pages.css").read_text("utf-8")


def page(document: Mapping[str, Any], **changes: Any) -> str:
    canonical(document)  # as evidence it can be written down
    return HtmlReports(Path("unused")).render(document, DIGEST, context(**changes))


def words(html: str) -> str:
    """Return what a reader sees, with single spaces."""
    body = html[html.index("<body>") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def broken(verdict: str) -> dict[str, Any]:
    what = {
        "code": "walk_broken",
        "verdict": verdict,
        "what": "It broke.",
        "fix": "Report it",
        "warns": False,
    }
    return night(verdict=verdict, findings=[what], faults=LATE)


def nothing() -> dict[str, Any]:
    found = broken("INCONCLUSIVE")
    changes = {"kpis": {}, "lateness": [], "advice": {}, "expectations": [], "hidden": []}
    return {**found, **changes, "days": {**found["days"], "closed": [], "closed_through": None}}


def everything() -> dict[str, Any]:
    faults = {**LATE, (KPI, "arrived", 4): [("lost_in_stream", 12), ("duplicate_in_stream", -3)]}
    faults |= {(KPI, "aircraft", place): [("engine", 1)] for place in (1, 2, 3)}
    found = night(
        faults=faults,
        hidden=[hidden()],
        waivers=[waiver(), waiver(id=5, used=[])],
        restatements=[restatement(), restatement(cause="unexplained", reason="")],
    )
    found["findings"].append(warning("many_late", "Many are late.", "See why"))
    found["expectations"][0]["success"] = False
    return found


def wide() -> dict[str, Any]:
    long = "\u5317\u4eac \u202e<b>" + "x" * 300
    found = night(
        kpis={f"kpi_{n}": [f"measure_{n}_{m}_" + "long" * 9 for m in range(20)] for n in range(3)},
        days=31,
        size=10**30,
        faults={
            ("kpi_0", "measure_0_0_" + "long" * 9, n): [("value", -(10**28)), ("late", 1)] for n in range(9)
        },
    )
    kpi = found["kpis"]["kpi_0"]
    for place in range(200):
        cell = {"flight_date": "2013-02-19", "origin": None if place % 2 else long, "carrier": ""}
        kpi["differences"].append({**kpi["differences"][0], "cell": cell, "day": "2013-02-19", "batch": None})
        kpi["examples"].append({**kpi["examples"][0], "cell": cell, "day": "2013-02-19", "ids": [long] * 10})
    return found


def closing() -> dict[str, Any]:
    period = {"name": "2013-02", "first": "2013-02-01", "last": "2013-02-28"}
    window = {
        "days": 0,
        "needed": 0,
        "complete": False,
        "missing": [],
        "first": None,
        "through": "2013-02-28",
    }
    return night(first=date(2013, 2, 1), days=28, open_days=0, period=period, window=window)


PAGES = {
    "passing": night,
    "everything": everything,
    "wide": wide,
    "closing": closing,
    "nothing": nothing,
    "error": lambda: broken("ERROR"),
    "no closed day": lambda: night(days=3, open_days=3),
}
every_page = pytest.mark.parametrize("document", [make() for make in PAGES.values()], ids=list(PAGES))


# --- for everybody's eyes, ears and hands -----------------------------------------------------------------


class Structure(HTMLParser):
    """Collects what a screen reader or a keyboard goes by."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, *names: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in names]


@every_page
def test_headings_go_down_one_step_at_a_time(document: Mapping[str, Any]) -> None:
    levels = [int(tag[1]) for tag, _ in Structure(page(document)).tags if re.fullmatch("h[1-6]", tag)]

    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@every_page
def test_every_header_has_a_scope_and_every_drawing_a_name(document: Mapping[str, Any]) -> None:
    html = page(document)
    found = Structure(html)

    assert all(th.get("scope") in ("col", "row", "colgroup") for th in found.named("th"))
    for drawing in re.findall(r"<svg[^>]*>.{0,80}", html):
        assert "<title>" in drawing or 'aria-hidden="true"' in drawing
    for scrolling in [attrs for attrs in found.named("div") if attrs.get("class") == "scroll"]:
        assert (scrolling["tabindex"], scrolling["role"]) == ("0", "region")
        assert scrolling["aria-label"]


@every_page
def test_links_lead_somewhere_and_names_are_given_once(document: Mapping[str, Any]) -> None:
    tags = Structure(page(document)).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]

    assert len(ids) == len(set(ids))
    leading = {str(a["href"])[1:] for t, a in tags if t == "a"}
    assert leading | {a["aria-labelledby"] for _, a in tags if "aria-labelledby" in a} <= set(ids)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


WRITTEN = [
    *[(ink, "bg") for ink in ("fg", "mut", "bad", "ok", "warn", "way", "acc")],
    *[(ink, "card") for ink in ("fg", "mut", "bad", "warn")],
    *[(ink, f"{ink}s") for ink in ("ok", "warn", "near", "bad", "way")],
    *[("fg", ground) for ground in ("oks", "warns", "bads")],
    ("mut", "open"),
]


@pytest.mark.parametrize("place", [0, 1, 2], ids=["light", "dark", "paper"])
def test_all_that_is_written_can_be_read(place: int) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text of any size; 1.4.11: 3 to 1 for what a chart is made of."""
    sets = [dict(re.findall(r"--(\w+):(#\w+)", block)) for block in re.findall(r":root\{([^}]*)\}", CSS)]
    assert len(sets) == 3
    colours = sets[place]

    faint = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in WRITTEN}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 4.5} == {}
    drawn = {ink: contrast(colours[ink], colours["bg"]) for ink in ("bad", "acc", "ok", "way")}
    assert {ink: ratio for ink, ratio in drawn.items() if ratio < 3} == {}


def test_focus_can_be_seen_and_nobody_is_moved_who_asked_not_to_be() -> None:
    assert re.search(r":focus-visible\{outline:2px", CSS)
    assert "outline:none" not in CSS and "outline:0" not in CSS
    assert "prefers-reduced-motion:reduce" in CSS
    assert not re.search(r"@keyframes|transition:|@import|url\(", CSS)


# --- what stands on it ------------------------------------------------------------------------------------


def test_every_failing_day_has_an_account_that_sums() -> None:
    html = page(everything())

    for day in ("2013-02-19", "2013-02-20", "2013-02-21", "2013-02-22", "2013-02-27"):
        assert f'id="day-{day}"' in html
        assert f'href="#day-{day}"' in html
    assert html.count("Remainder 0.") == 5
    assert "12 events arrived and no table took them" in words(html)


def test_what_is_tolerated_or_waived_has_an_account_too() -> None:
    document = night(faults=LATE, waived=list(LATE), waivers=[waiver()])
    day = document["kpis"][KPI]["days"][3]["measures"]["delay_minutes"]
    day |= {"tolerated": 1, "stream": day["batch"] - 2}
    cause = {"day": "2013-02-21", "measure": "delay_minutes", "cause": "value", "net": 2, "gross": 2}
    document["kpis"][KPI]["causes"].append(cause)

    html = page(document)

    assert 'href="#day-2013-02-27"' in html and 'href="#day-2013-02-21"' in html
    text = words(html)
    assert "Why 27 February 2013 differs, and passes" in text and "3 of 38 cells, waived" in text
    assert "delay minutes \u22122 1 of 38 cells" in text


def test_a_share_that_is_missing_is_shown_as_left_over() -> None:
    document = night(faults=LATE)
    document["kpis"][KPI]["causes"] = [{**c, "net": 30} for c in document["kpis"][KPI]["causes"]]

    told = words(page(document))

    assert "remainder no cause explains this: the comparison is at fault \u22127" in told
    assert "Remainder \u22127." in told


def test_no_cell_of_31_days_and_20_measures_is_lost() -> None:
    html = page(wide())

    assert len(re.findall(r'<td class="q ', html)) == 3 * 31 * 20
    assert "\u2260" in html  # too long to be written, told in words instead
    assert "differs; batch 1" in html


def test_unknown_values_and_markup_are_shown_as_text() -> None:
    html = page(wide())

    assert "unknown \u00b7 (empty)" in words(html)
    assert "<b>xxx" not in html and "&lt;b&gt;xxx" in html
    assert "141 more are in the evidence" in words(html)


def test_who_accepted_what_and_how_much_of_it_is_used() -> None:
    document = night(faults=LATE, waived=list(LATE), waivers=[waiver(), waiver(id=9, used=[], by="otto")])

    told = headline(document)
    text = words(page(document))

    assert told.badge == "PASS with 1 waiver \u00b7 12 closed days agree"
    assert "3 values waived, accepted by ana" in told.sentence
    assert "2.97 % of 5 %" in text and "nothing of 5 %" in text
    assert "The Newark feed was down" in text
    assert "origin EWR; carrier UA, unknown" in text
    assert f"waived: late in {KPI}, 27 Feb, at most 5 %, by ana" in summary(document)


def test_a_night_that_warns_says_so_before_anything_else() -> None:
    document = night()
    document["findings"].append(warning("many_late", "Many are late.", "See why"))

    assert headline(document).badge.startswith("PASS with 1 warning")
    text = words(page(document))
    assert text.index("Many are late. See why.") < text.index("Every measure, every day")
    assert "WARNING: Many are late." in summary(document)


def test_differences_that_cancel_are_listed_with_their_events() -> None:
    document = night(hidden=[hidden(), hidden(kind="copies", fails=True, events=2, ids=["a", "b"])])

    text = words(page(document))

    assert "14 2013-02-26-B6-900-JFK:D" in text and "and 4 more" in text
    assert "both have them, not equally often" in text and "fails the night" in text
    assert "16 events differ without showing in any measure" in headline(document).sentence
    assert "hidden: 26 Feb, 14 batch only:" in summary(document)


def test_a_day_that_fails_by_what_cancels_is_marked_and_told() -> None:
    document = night(hidden=[hidden(fails=True)])
    document["verdict"] = document["kpis"][KPI]["days"][8]["verdict"] = "FAIL"

    assert "26 February: 14 events differ though every measure agrees" in headline(document).sentence
    html = page(document)
    assert 'class="off"><abbr title="26 February 2013: events differ' in html
    assert 'href="#hidden"' in html


def test_a_signed_value_that_changed_stands_with_its_reason_or_as_a_warning() -> None:
    text = words(page(night(restatements=[restatement(), restatement(cause="unexplained", reason="")])))

    assert "113 131 +18 amendment: ana: outage of the Newark feed" in text
    assert "no cause found" in text
    assert "1 signed value has changed and nothing says why" in text
    assert "1 value has changed since February 2013 was closed." in words(
        page(night(restatements=[restatement()]))
    )
    restated = summary(night(restatements=[restatement()]))
    assert "restated: 2013-02 flights_daily.departed EWR, UA (stream): 113 to 131, amendment" in restated


def test_what_changed_since_the_evidence_before_is_listed() -> None:
    before, now = night(), night(faults=LATE)

    told = words(page(now, before_document=before))

    assert "27 Feb departed stream" in told and "equal differs" in told
    assert "nothing changed there: same sums, same judgement" in words(page(now, before_document=now))
    other = {**before, "parity_digest": "0" * 64}
    assert "since the evidence before" not in words(page(now, before_document=other))


def test_a_close_run_is_about_its_period() -> None:
    html = page(closing())

    assert "<title>flights \u00b7 close of February 2013" in html
    text = words(html)
    assert "February 2013 is ready to close" in text
    assert "with the last signature the period is closed" in text
    assert "0 of 0" not in text and "Observation" not in text


def test_the_page_of_a_close_never_replaces_that_of_a_night(tmp_path: Path) -> None:
    pages, at = HtmlReports(tmp_path), context()

    first = pages.write(night(first=date(2013, 2, 1), days=28, open_days=0), DIGEST, at)
    second = pages.write(closing(), DIGEST, at)

    assert Path(first).parent == Path(second).parent and first != second
    assert "close-2013-02-" in second


def test_what_every_accepted_lateness_would_have_lost() -> None:
    html = page(night(advice=advice()))
    text = words(html)

    assert "24 h would have lost 0.09 % of the events" in text
    assert "target 0.1 %" in text and "24 h (now)" in text
    assert "origin unknown 6 900" in text and "none reaches it" in text
    assert "What each accepted lateness would have lost" in html


def test_expectations_that_fail_come_first_and_the_contracts_own_are_told_apart() -> None:
    document = night()
    document["expectations"][1] |= {"success": False, "otherwise": "warn", "seen": "min -3"}
    document["expectations"][3] |= {"success": False}

    text = words(page(document))

    assert "1 of them from the contract's own list; 2 do not hold" in text
    assert text.index("no, fails") < text.index("no, warns") < text.index("All of them")
    assert "(own)" in text


def test_offsets_without_a_record_and_lost_ones_are_named_in_the_cut() -> None:
    document = night()
    document["cut"]["expired"] = [
        {"partition": 1, "first": 0, "through": 41, "offsets": 40, "before": "2013-01-01T00:00:00Z"}
    ]

    text = words(page(document))

    assert "offsets that hold no record 2: 118" in text
    assert "the topic had lost already 1: 0 to 41 (40 of them), arrived before 2013-01-01T00:00:00Z" in text
    assert "0:4503, 1:4498, 2:4510, 10:4510" in text


def test_how_exactly_doubles_are_compared_is_stated_with_their_measures() -> None:
    document = night()
    for measure in document["kpis"][KPI]["measures"][:2]:
        measure["error"] = "each addend is rounded to 6 decimal places"

    assert "scheduled and cancelled: each addend is rounded to 6 decimal places." in words(page(document))


def test_older_evidence_has_a_page_too() -> None:
    document = everything()
    for key in ("advice", "waivers", "restatements", "period", "times", "versions"):
        del document[key]
    for key in ("row_by_row", "fewest"):
        del document["days"][key]
    for key in ("gaps", "topic_id"):
        del document["cut"][key]
    for day in document["kpis"][KPI]["days"]:
        for seen in day["measures"].values():
            del seen["waived"], seen["close"]
    document["expectations"] = [
        {k: c[k] for k in ("suite", "expectation", "column", "success", "seen")}
        for c in document["expectations"]
    ]

    assert "Not ready" in page(document)


def test_the_tiles_speak_of_closed_days_and_say_a_single_day_once() -> None:
    found = night(days=3, open_days=1, segments=4)
    first = found["days"]["closed"][0]
    found["window"] |= {"days": 1, "needed": 5, "complete": False, "first": first, "through": first}

    text = words(page(found))

    kpi = found["kpis"][KPI]
    judged = sum(max(m["cells"] for m in d["measures"].values()) for d in kpi["days"] if not d["open"])
    assert f"2 of 2 {judged} cells compared" in text
    assert f"{kpi['cells'] - judged} of them on days still open" in text
    assert "not complete; 18 Feb" in text and "18 Feb to 18 Feb" not in text


def test_differences_of_open_days_are_not_counted_against_days_that_agree() -> None:
    found = night(days=4)
    kpi = found["kpis"][KPI]
    kpi["differing"] = 7
    kpi["differences"] = [{**d, "day": "2013-02-21"} for d in night(faults=LATE)["kpis"][KPI]["differences"]]

    assert "7 cells differ on days still open, remainder 0" in words(page(found))


def test_late_records_that_were_let_in_are_told_as_counted() -> None:
    amendment = {"days": ["2013-02-27"], "rows": 26, "by": "ana", "reason": "outage", "state": "applied"}
    found = night()
    found["cut"] = {**found["cut"], "amendments": [1]}

    assert "26 of them amended, so counted in the KPIs" in words(page(found, amendments=[amendment]))
    assert "of them amended" not in words(page(found, amendments=[{**amendment, "state": "open"}]))


def test_a_night_after_the_switch_asks_nobody_to_sign() -> None:
    before, after = words(page(night())), words(page(night(), switched=True))

    assert "Ready to sign" in before and "may sign" in before
    assert "Still agrees" in after and "None is needed: readers have had the stream" in after
    assert "cutover may run" not in after and "may sign" not in after
    assert "Not ready" in words(page(night(faults=LATE), switched=True))
    assert "may sign" in words(page(closing(), switched=True)), (
        "a period is closed by signatures all the same"
    )


def test_a_week_of_squares_is_wider_than_a_phone_so_that_no_number_is_cut() -> None:
    assert "heat roomy week" in page(night(days=7)) and "heat roomy few" in page(night(days=5))
    phone = CSS[CSS.index("@media(max-width:720px)") : CSS.index("@media(prefers-reduced-motion")]
    assert ".heat.week{min-width:" in phone
    assert ".heat.week,.heat.some,.heat.many{min-width:0}" in CSS, "paper does not scroll"
