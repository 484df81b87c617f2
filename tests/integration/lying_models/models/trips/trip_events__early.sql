{{ events(where="t.started < timestamptz '2026-03-03 05:00+00'") }}
