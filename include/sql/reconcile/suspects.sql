-- Which events of the days do the two sides not hold alike, row by row? Those that a walk has named already are left
-- out, unless they hold other values: the walk of one KPI sees only the fields that this KPI uses.
-- Reads unlike, and told: ids that a walk has named, by KPI.
CREATE OR REPLACE TEMP TABLE suspects AS
WITH by_id AS (
    SELECT
        coalesce(id, '(no id)') AS id, min(day) AS day,
        CASE
            WHEN sum(in_stream) = 0 THEN 'batch_only'
            WHEN sum(in_batch) = 0 THEN 'stream_only'
            WHEN count(*) > 1 THEN 'differs'
            ELSE 'copies'
        END AS kind
    FROM unlike
    GROUP BY ALL
)
SELECT id, day, kind FROM by_id
WHERE kind = 'differs' OR id NOT IN (SELECT id FROM told);

CREATE OR REPLACE TEMP TABLE picked AS SELECT id FROM suspects
