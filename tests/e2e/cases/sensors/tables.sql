-- Which revisions does the operational database know, and since when? The batch side reads them.
CREATE TABLE ops.air_readings (
    reading_id text NOT NULL,
    revision integer NOT NULL,
    station text NOT NULL,
    area text,
    measured_at timestamptz NOT NULL,
    pm10 double precision,
    quality text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (reading_id, revision)
);
