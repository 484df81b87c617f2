-- Which pairs of id and content (a hash of the fields that any KPI uses) do the two sides not hold equally often on one
-- business day? The content includes the time, so that a pair stands on no other day.
INSERT INTO unlike
SELECT
    id, content, {{ day }} AS day,
    count(*) FILTER (WHERE side = 'b') AS in_batch, count(*) FILTER (WHERE side = 's') AS in_stream
FROM (
    {%- for side, relation in [("b", "batch_events"), ("s", "stream_events")] %}
    SELECT '{{ side }}' AS side, {{ id }} AS id, hash({{ columns | join(", ") }}) AS content
    FROM {{ relation }}
    WHERE {{ time }} >= {{ begin }} AND {{ time }} < {{ end }}
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
)
GROUP BY id, content
HAVING in_batch <> in_stream
