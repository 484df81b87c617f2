-- Which builds changed the batch tables? A row is written before its build starts: while ok is null, or when
-- it is false, the tables may be half of that build, and nothing may be pinned to them.
CREATE SCHEMA IF NOT EXISTS batch;

CREATE TABLE IF NOT EXISTS batch.slipway_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    migration text NOT NULL,
    as_of timestamptz NOT NULL,
    loaded_through timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    started_by text NOT NULL,
    finished_at timestamptz,
    ok boolean,
    nodes jsonb
);
COMMENT ON COLUMN batch.slipway_run.loaded_through IS 'Everything that arrived up to here is in the tables';
COMMENT ON COLUMN batch.slipway_run.nodes IS 'One object a dbt node: id, status, seconds, message';
