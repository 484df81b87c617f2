-- Which late rows count, since when and because of whom: read by every recompute, written by the swap alone.
CREATE SCHEMA IF NOT EXISTS stream;
CREATE SCHEMA IF NOT EXISTS side;

CREATE TABLE IF NOT EXISTS stream.amendment (
    migration     text NOT NULL,
    amendment_id  bigint NOT NULL,
    revision      integer NOT NULL,
    days          date[] NOT NULL,
    late_snapshot bigint NOT NULL,
    rows          bigint NOT NULL,
    actor         text NOT NULL,
    reason        text NOT NULL,
    dag_run       text NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (migration, amendment_id)
);
COMMENT ON TABLE stream.amendment IS 'Decisions to let late rows of closed days count, as they were applied';
COMMENT ON COLUMN stream.amendment.late_snapshot IS 'Snapshot of the late table that the decision is about';

CREATE TABLE IF NOT EXISTS stream.amended_event (
    migration       text NOT NULL,
    revision        integer NOT NULL,
    amendment_id    bigint NOT NULL,
    event_id        text NOT NULL,
    business_day    date NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset    bigint NOT NULL,
    replaces        boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (migration, revision, kafka_partition, kafka_offset),
    FOREIGN KEY (migration, amendment_id) REFERENCES stream.amendment
);
ALTER TABLE stream.amended_event ADD COLUMN IF NOT EXISTS replaces boolean NOT NULL DEFAULT FALSE;
-- An id may be amended again when its versions count one after the other; the first installations had it only once.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 'stream.amended_event'::regclass AND contype = 'p' AND cardinality(conkey) = 3
    ) THEN
        ALTER TABLE stream.amended_event
            DROP CONSTRAINT amended_event_pkey,
            ADD PRIMARY KEY (migration, revision, kafka_partition, kafka_offset);
    END IF;
END
$$;
COMMENT ON TABLE stream.amended_event IS 'Late rows that count; together with silver the day''s event set';
COMMENT ON COLUMN stream.amended_event.replaces IS
    'keep: latest: whether an accepted version of the id counted until then and counts no more';

-- A job that is restored from an older checkpoint reads records again and may write totals of a closed day anew,
-- without the late rows. What was amended stays: such a write is passed over, and all others go through.
-- A row is amended when the day with which it closes is. Arguments: migration, revision, the column that says when,
-- what it holds (day, week, month: the first day; instant), and the zone of the business day.
CREATE OR REPLACE FUNCTION stream.keep_amended_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    touched jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    began text := touched ->> TG_ARGV[2];
    closes date := CASE TG_ARGV[3]
        WHEN 'instant' THEN (began::timestamptz AT TIME ZONE TG_ARGV[4])::date
        WHEN 'week' THEN began::date + 6
        WHEN 'month' THEN (began::date + interval '1 month - 1 day')::date
        ELSE began::date
    END;
BEGIN
    PERFORM FROM stream.amendment AS a
    WHERE a.migration = TG_ARGV[0]
        AND a.revision = TG_ARGV[1]::integer
        AND closes = ANY (a.days);
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
