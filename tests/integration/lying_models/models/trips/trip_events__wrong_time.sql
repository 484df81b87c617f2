{{ events(started="t.started + interval '5 hours'") }}
