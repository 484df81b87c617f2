-- Which events differ although every cell they belong to agrees, on which day and in what way?
-- Reads suspects, told, and both sides' events of all days: an event whose partner lies on a day that was not looked
-- at differs in its time, and is missing on neither side.
WITH sides_of AS (
    SELECT {{ id }} AS id, 'b' AS side, {{ columns | join(", ") }} FROM batch_events_of_all_days SEMI JOIN picked AS p ON {{ id }} = p.id
    UNION ALL
    SELECT {{ id }} AS id, 's' AS side, {{ columns | join(", ") }}
    FROM (
        SELECT * FROM stream_events_of_all_days AS e SEMI JOIN picked AS p ON e.{{ id }} = p.id
        {{ "QUALIFY " ~ version ~ " = max(" ~ version ~ ") OVER (PARTITION BY " ~ id ~ ", is_amended)" if version }}
    )
),
-- Which fields hold other values on the other side?
by_id AS (
    SELECT
        id, count(*) FILTER (WHERE side = 'b') AS in_batch, count(*) FILTER (WHERE side = 's') AS in_stream,
        list_filter([
            {%- for column in columns %}
            CASE WHEN list_sort(list(DISTINCT hash({{ column }})) FILTER (WHERE side = 'b'))
                IS DISTINCT FROM list_sort(list(DISTINCT hash({{ column }})) FILTER (WHERE side = 's')) THEN {{ loop.index0 }} END
            {{- "," if not loop.last }}
            {%- endfor %}
        ], x -> x IS NOT NULL) AS apart
    FROM sides_of
    GROUP BY id
),
explained AS (
    SELECT id, list_distinct(flatten(list(fields))) AS fields
    FROM told
    JOIN (
        {%- for kpi, fields in uses.items() %}
        SELECT {{ kpi }} AS kpi, {{ fields }}::INTEGER[] AS fields
        {{ "UNION ALL" if not loop.last }}
        {%- endfor %}
    ) AS u USING (kpi)
    GROUP BY id
),
kinds AS (
    SELECT
        s.id, s.day, coalesce(b.apart, []) AS apart,
        CASE WHEN s.kind IN ('batch_only', 'stream_only') AND b.in_batch > 0 AND b.in_stream > 0 THEN 'differs' ELSE s.kind END AS kind
    FROM suspects AS s
    LEFT JOIN by_id AS b ON s.id = b.id
)
SELECT k.day, k.kind, count(*) AS events, list_slice(list_sort(list(coalesce(k.id, '(no id)'))), 1, 10) AS ids
FROM kinds AS k
LEFT JOIN explained AS e ON k.id = e.id
WHERE e.id IS NULL OR NOT list_has_all(e.fields, k.apart)
GROUP BY k.day, k.kind
ORDER BY k.day, k.kind
