-- Where did each picked event go? The ids are followed wherever their partner lies: another day, another segment.
-- One row of walked is one event: its values on both sides, the step at which it enters the walk and the step at
-- which it leaves it ({{ never }}: never).
{%- if version %}
-- The stream's event is the newest version that counts; one that was amended before the others were accepted counts
-- besides them, as a duplicate. Where the two sides hold different versions of an id, the whole event turns from one
-- into the other at one step (turns), with the fate of the newer version as the cause.
{%- endif %}
CREATE OR REPLACE TEMP TABLE stream_rows AS
SELECT
    {{ id }} AS id, {{ version ~ " AS version, " if version }}
    -- On a closed day the batch has had its time; only what an open day has got since is ahead of it.
    arrived_at >= {{ batch_through }} AND business_day > {{ closed_through }} AS is_after_batch,
    row_number() OVER (PARTITION BY {{ id }} ORDER BY {{ version ~ " DESC, " if version }}kafka_partition, kafka_offset) AS copy,
    {% for c in columns %}{{ c.column }} AS {{ c.stream }}{{ ", " if not loop.last }}{% endfor %}
FROM (
    SELECT * FROM stream_events_of_all_days AS e
    SEMI JOIN picked AS p ON e.{{ id }} = p.id
    {{ "QUALIFY " ~ version ~ " = max(" ~ version ~ ") OVER (PARTITION BY " ~ id ~ ", is_amended)" if version }}
);

-- Of several batch rows of one id {{ "the newest version stands for it, and among its copies " if version }}the one that equals the stream's
-- is kept, so that a mere copy is a mere copy. Rows without an id can be paired with nothing; they are copies.
CREATE OR REPLACE TEMP TABLE batch_rows AS
SELECT
    b.id, {{ "b.version, " if version }}b.key,
    row_number() OVER (
        PARTITION BY b.id
        ORDER BY
            {{ "b.version DESC NULLS LAST," if version }}
            {% for c in columns %}b.{{ c.batch }} IS NOT DISTINCT FROM s.{{ c.stream }}{{ " AND " if not loop.last }}{% endfor %} DESC,
            {% for c in columns %}b.{{ c.batch }}{{ ", " if not loop.last }}{% endfor %}
    ) + CAST(b.id IS NULL AS INTEGER) AS copy,
    {% for c in columns %}b.{{ c.batch }}{{ ", " if not loop.last }}{% endfor %}
FROM (
    SELECT {{ id }} AS id, {{ version ~ " AS version, " if version }}{{ key }} AS key, {% for c in columns %}{{ c.column }} AS {{ c.batch }}{{ ", " if not loop.last }}{% endfor %}
    FROM batch_events_of_all_days AS e
    WHERE {{ id }} IS NULL OR {{ id }} IN (SELECT id FROM picked)
) AS b
LEFT JOIN stream_rows AS s ON b.id = s.id AND s.copy = 1;

-- Bronze has every record; only those of ids that the stream lacks are kept, and only these are held against the cut.
CREATE OR REPLACE TEMP TABLE bronze_of_missing AS
WITH found AS MATERIALIZED (
    SELECT z.kafka_partition, z.kafka_offset, z.event_id, {{ "z.event_version, " if version }}z.reason
    FROM bronze_and_after AS z
    SEMI JOIN (
        SELECT b.id FROM batch_rows AS b
        ANTI JOIN stream_rows AS s ON b.id = s.id{{ " AND NOT coalesce(b.version > s.version, FALSE)" if version }}
    ) AS o ON z.event_id = o.id
)
SELECT f.* FROM found AS f JOIN ends AS e ON f.kafka_partition = e.kafka_partition AND f.kafka_offset < e.next_offset;

CREATE OR REPLACE TEMP TABLE batch_only AS
SELECT
    b.id, b.key,
    {%- if version %}
    -- Of a rejected record whose version can't be read only the id is known.
    EXISTS (
        FROM rejected AS r
        LEFT JOIN bronze_of_missing AS z ON r.kafka_partition = z.kafka_partition AND r.kafka_offset = z.kafka_offset
        WHERE r.event_id = b.id AND coalesce(z.event_version = b.version, TRUE)
    ) AS is_rejected,
    EXISTS (FROM late AS l WHERE l.{{ id }} = b.id AND l.{{ version }} = b.version) AS is_late,
    EXISTS (
        FROM bronze_of_missing AS z WHERE z.event_id = b.id AND z.event_version = b.version AND z.reason IS NULL
    ) AS is_in_bronze
    {%- else %}
    b.id IN (SELECT event_id FROM rejected WHERE event_id IS NOT NULL) AS is_rejected,
    b.id IN (SELECT {{ id }} FROM late) AS is_late,
    b.id IN (SELECT event_id FROM bronze_of_missing WHERE reason IS NULL) AS is_in_bronze
    {%- endif %}
FROM batch_rows AS b
ANTI JOIN stream_rows AS s ON b.id = s.id{{ " AND NOT coalesce(b.version > s.version, FALSE)" if version }}
WHERE b.copy = 1;

-- A rejected record without an id stands for at most one missing id of its key, and for the same one in every KPI.
-- Records that arrived before {{ since }} are too old to be events of the compared days.
CREATE TEMP TABLE IF NOT EXISTS claimed (id VARCHAR, key VARCHAR);

INSERT INTO claimed
SELECT o.id, o.key
FROM batch_only AS o
JOIN (
    SELECT r.key, count(*) - (SELECT count(*) FROM claimed AS c WHERE c.key = r.key) AS records
    FROM rejected AS r
    WHERE r.event_id IS NULL AND r.key IS NOT NULL AND r.arrived_at >= {{ since }}
    GROUP BY r.key
) AS n ON o.key = n.key
WHERE NOT o.is_late AND NOT o.is_rejected AND o.id NOT IN (SELECT id FROM claimed)
QUALIFY row_number() OVER (PARTITION BY o.key ORDER BY o.is_in_bronze, o.id) <= n.records;

CREATE OR REPLACE TEMP TABLE fates AS
SELECT
    id,
    CASE
        WHEN is_late THEN {{ step.late }}
        WHEN is_rejected OR id IN (SELECT id FROM claimed) THEN {{ step.rejected }}
        WHEN is_in_bronze THEN {{ step.lost_in_stream }}
        ELSE {{ step.not_arrived }}
    END AS leaves
FROM batch_only;

CREATE OR REPLACE TEMP TABLE walked AS
SELECT row_number() OVER (ORDER BY id, kind, copy) AS row, * EXCLUDE (kind, copy) REPLACE (coalesce(id, '(no id)') AS id)
FROM (
    SELECT
        coalesce(b.id, s.id) AS id, 0 AS kind, 1 AS copy, b.id IS NOT NULL AS in_batch, s.id IS NOT NULL AS in_stream,
        CASE
            WHEN b.id IS NOT NULL THEN 0
            WHEN s.is_after_batch THEN {{ step.after_batch_cut }}
            ELSE {{ step.not_in_batch }}
        END AS enters,
        {%- if version %}
        CASE WHEN s.id IS NULL THEN f.leaves ELSE {{ never }} END AS leaves,
        CASE
            WHEN b.version > s.version THEN f.leaves
            WHEN b.version < s.version AND s.is_after_batch THEN {{ step.after_batch_cut }}
            WHEN b.version < s.version THEN {{ step.not_in_batch }}
        END AS turns,
        {%- else %}
        coalesce(f.leaves, {{ never }}) AS leaves,
        {%- endif %}
        {% for c in columns %}b.{{ c.batch }}, s.{{ c.stream }}{{ ", " if not loop.last }}{% endfor %}
    FROM (SELECT * FROM batch_rows WHERE copy = 1) AS b
    FULL JOIN (SELECT * FROM stream_rows WHERE copy = 1) AS s ON b.id = s.id
    LEFT JOIN fates AS f ON b.id = f.id
    UNION ALL BY NAME
    SELECT
        id, 1 AS kind, copy, TRUE AS in_batch, FALSE AS in_stream, 0 AS enters, {{ step.duplicate_in_batch }} AS leaves,
        {% for c in columns %}{{ c.batch }}{{ ", " if not loop.last }}{% endfor %}
    FROM batch_rows WHERE copy > 1
    UNION ALL BY NAME
    SELECT
        id, 2 AS kind, copy, FALSE AS in_batch, TRUE AS in_stream, {{ step.duplicate_in_stream }} AS enters, {{ never }} AS leaves,
        {% for c in columns %}{{ c.stream }}{{ ", " if not loop.last }}{% endfor %}
    FROM stream_rows WHERE copy > 1
)
