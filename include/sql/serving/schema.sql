-- What decides what readers see: routes, and the journal of their changes that nobody can rewrite.
CREATE SCHEMA IF NOT EXISTS batch;
CREATE SCHEMA IF NOT EXISTS stream;
CREATE SCHEMA IF NOT EXISTS side;
CREATE SCHEMA IF NOT EXISTS serving;

CREATE TABLE IF NOT EXISTS serving.route (
    kpi          text PRIMARY KEY,
    migration    text NOT NULL,
    source       text NOT NULL DEFAULT 'batch' CHECK (source IN ('batch', 'canary', 'stream')),
    revision     bigint CHECK (revision IS NOT NULL OR source = 'batch'),
    canary       jsonb NOT NULL DEFAULT '{}' CHECK (source <> 'canary' OR canary <> '{}'),
    from_period  date NOT NULL,
    epoch        bigint NOT NULL DEFAULT 1,
    branches     bigint[] NOT NULL DEFAULT '{}',
    fresh_within interval NOT NULL,
    stale_after  interval NOT NULL,
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE serving.route IS 'One row a KPI: which side its readers get. Change it with Slipway only.';
COMMENT ON COLUMN serving.route.canary IS 'Segment values by column that the stream serves while source is canary';
COMMENT ON COLUMN serving.route.from_period IS 'Rows that open before this business day always come from batch';
COMMENT ON COLUMN serving.route.epoch IS 'Raised by every change; a writer names the one it saw';
COMMENT ON COLUMN serving.route.branches IS 'Revisions that the view can serve';

CREATE TABLE IF NOT EXISTS serving.switch_log (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    kpi       text NOT NULL REFERENCES serving.route,
    epoch     bigint NOT NULL,
    action    text NOT NULL CHECK (action IN ('canary', 'switch', 'restore', 'rollback', 'fallback')),
    before    jsonb NOT NULL,
    after     jsonb NOT NULL,
    evidence  text,
    by        text NOT NULL,
    reason    text NOT NULL,
    dag_run   text NOT NULL,
    begun     timestamptz NOT NULL DEFAULT now(),
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (kpi, epoch),
    CHECK (evidence IS NOT NULL OR action NOT IN ('canary', 'switch'))
);
COMMENT ON TABLE serving.switch_log IS 'Every change of a route, committed together with it; append-only';

CREATE OR REPLACE FUNCTION serving.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'serving.' || TG_TABLE_NAME || ' refuses ' || TG_OP,
        HINT = 'use the rollback DAG to move readers; the journal is append-only';
END
$$;

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON serving.switch_log
    FOR EACH ROW EXECUTE FUNCTION serving.refuse_change();
CREATE OR REPLACE TRIGGER append_only_truncate BEFORE TRUNCATE ON serving.switch_log
    FOR EACH STATEMENT EXECUTE FUNCTION serving.refuse_change();
CREATE OR REPLACE TRIGGER kept BEFORE DELETE ON serving.route
    FOR EACH ROW EXECUTE FUNCTION serving.refuse_change();
CREATE OR REPLACE TRIGGER kept_truncate BEFORE TRUNCATE ON serving.route
    FOR EACH STATEMENT EXECUTE FUNCTION serving.refuse_change();
