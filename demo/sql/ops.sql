-- Which tables does the demo's operational database have?
CREATE SCHEMA IF NOT EXISTS ops;

CREATE TABLE IF NOT EXISTS ops.flights (
    flight_id text PRIMARY KEY,
    flight_date date NOT NULL,
    carrier text NOT NULL,
    flight integer NOT NULL,
    origin text NOT NULL,
    dest text NOT NULL,
    tailnum text,
    distance integer NOT NULL,
    scheduled_departure timestamptz NOT NULL,
    dep_delay integer,
    arr_delay integer,
    departed_at timestamptz,
    arrived_at timestamptz,
    cancelled_at timestamptz,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE ops.flights IS
    'Every flight and what is known of it; delays in minutes, distance in miles';

CREATE TABLE IF NOT EXISTS ops.planes (
    tailnum text PRIMARY KEY,
    year integer,
    type text NOT NULL,
    manufacturer text NOT NULL,
    model text NOT NULL,
    engines integer NOT NULL,
    seats integer NOT NULL,
    speed integer,
    engine text NOT NULL
);
COMMENT ON TABLE ops.planes IS 'The register of aircraft';

CREATE TABLE IF NOT EXISTS ops.replay_progress (
    topic text PRIMARY KEY,
    replayed_through timestamptz NOT NULL,
    records bigint NOT NULL
);
COMMENT ON TABLE ops.replay_progress IS
    'Demo: every record that arrived up to replayed_through is in the topic; written after the flush';

CREATE TABLE IF NOT EXISTS ops.injected_faults (
    id integer PRIMARY KEY,
    fault text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    event_id text,
    arrival timestamptz NOT NULL,
    on_time timestamptz,
    reason text
);
COMMENT ON TABLE ops.injected_faults IS
    'Demo: what was done to the feed on purpose; on_time is when the record would have come without it';
