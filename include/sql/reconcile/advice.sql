-- What would each bound have lost on the watched days: in all (segment -1), and for the values of each segment that
-- have the most late events?
WITH of_watched AS (
    SELECT -1 AS segment, CAST(NULL AS VARCHAR) AS value, rung, gone, below, sum(events) AS events
    {%- for m in adding %}, sum({{ m.name }}) AS {{ m.name }}{% endfor %}
    FROM arrivals WHERE watched GROUP BY ALL
    {%- for s in segments %}
    UNION ALL
    SELECT {{ loop.index0 }}, CAST(s{{ loop.index0 }} AS VARCHAR), rung, gone, below, sum(events)
    {%- for m in adding %}, sum({{ m.name }}){% endfor %}
    FROM arrivals WHERE watched GROUP BY ALL
    {%- endfor %}
),
-- NULL is a value of a segment like any other, and IS NOT DISTINCT FROM would keep joins from hashing.
told AS (SELECT * REPLACE (coalesce('=' || value, '') AS value) FROM of_watched),
chosen AS (
    SELECT
        segment, value, sum(events) AS events, coalesce(sum(events) FILTER (rung > {{ accepted }}), 0) AS late,
        count(*) OVER (PARTITION BY segment) AS together
    FROM told GROUP BY segment, value
    QUALIFY row_number() OVER (PARTITION BY segment ORDER BY late DESC, sum(events) DESC, value) <= {{ most }}
),
placed AS (
    SELECT segment, value, below, sum(sum(t.events)) OVER (PARTITION BY segment, value ORDER BY below) AS until
    FROM told AS t SEMI JOIN chosen AS c USING (segment, value) GROUP BY segment, value, below
),
quantiles AS (
    SELECT
        segment, value
        {%- for share in (50, 95, 99) %},
        min(below) FILTER (until * 100 >= c.events * {{ share }}) AS p{{ share }}
        {%- endfor %}
    FROM placed JOIN chosen AS c USING (segment, value) GROUP BY segment, value
)
SELECT
    t.segment, CASE WHEN t.value <> '' THEN t.value[2:] END AS value, any_value(c.together), any_value(c.events), any_value(c.late),
    any_value(q.p50), any_value(q.p95), any_value(q.p99),
    b.bound, coalesce(sum(t.events) FILTER (t.rung > b.rung), 0) AS later
    {%- for m in adding %},
    coalesce(sum(t.{{ m.name }}) FILTER (t.gone = {{ never }}), 0)
    - coalesce(sum(t.{{ m.name }}) FILTER (t.rung <= b.rung AND t.gone > b.rung), 0),
    coalesce(sum(t.{{ m.name }}) FILTER (t.gone = {{ never }}), 0)
    {%- endfor %}
FROM (
    SELECT segment, value, rung, gone, sum(events) AS events{% for m in adding %}, sum({{ m.name }}) AS {{ m.name }}{% endfor %}
    FROM told SEMI JOIN chosen USING (segment, value) GROUP BY ALL
) AS t
JOIN chosen AS c USING (segment, value)
JOIN quantiles AS q USING (segment, value)
CROSS JOIN (VALUES {% for rung, bound in ladder %}({{ bound }}, {{ rung }}){{ ", " if not loop.last }}{% endfor %}) AS b (bound, rung)
GROUP BY t.segment, t.value, b.bound
ORDER BY t.segment, any_value(c.late) DESC, any_value(c.events) DESC, t.value, b.bound
