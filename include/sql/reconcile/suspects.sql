-- Which events of the days do the two sides not hold alike, row by row? Both sides as multisets of (id, hash of the
-- fields that any KPI uses). Those that a walk has named already are left out, unless they hold other values: the
-- walk of one KPI sees only the fields that this KPI uses.
-- Reads told: ids that a walk has named, by KPI.
CREATE OR REPLACE TEMP TABLE suspects AS
WITH both_sides AS (
    SELECT
        id, content,
        min(day) AS day, count(*) FILTER (WHERE side = 'b') AS in_batch, count(*) FILTER (WHERE side = 's') AS in_stream
    FROM (
        {%- for side, relation in [("b", "batch_events"), ("s", "stream_events")] %}
        SELECT
            '{{ side }}' AS side, {{ id }} AS id, hash({{ columns | join(", ") }}) AS content,
            CAST(timezone({{ zone }}, {{ time }}) AS DATE) AS day
        FROM {{ relation }}
        {{ "UNION ALL" if not loop.last }}
        {%- endfor %}
    )
    WHERE day IN ({{ days | join(", ") }})
    GROUP BY id, content
),
by_id AS (
    SELECT
        id, min(day) AS day,
        CASE
            WHEN sum(in_stream) = 0 THEN 'batch_only'
            WHEN sum(in_batch) = 0 THEN 'stream_only'
            WHEN count(*) > 1 THEN 'differs'
            ELSE 'copies'
        END AS kind
    FROM both_sides
    WHERE in_batch <> in_stream
    GROUP BY id
)
SELECT id, day, kind FROM by_id
WHERE kind = 'differs' OR id NOT IN (SELECT id FROM told WHERE id IS NOT NULL);

CREATE OR REPLACE TEMP TABLE picked AS SELECT id FROM suspects WHERE id IS NOT NULL
