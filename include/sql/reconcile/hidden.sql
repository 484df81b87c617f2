-- Which events of closed days differ although every cell they belong to agrees? Both sides as multisets of
-- (id, hash of the fields that any KPI uses); ids that belong to differing cells were walked already.
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
    WHERE day BETWEEN {{ first }} AND {{ closed_through }}
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
SELECT day, kind, count(*) AS events, list_slice(list_sort(list(h.id)), 1, 10) AS ids
FROM by_id AS h
ANTI JOIN picked_by_any AS p ON h.id = p.id
GROUP BY day, kind
ORDER BY day, kind
