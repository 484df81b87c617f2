-- Which events does each cause touch, in which differing cells? One row of touched is one event in one cell.
CREATE OR REPLACE TEMP TABLE touched AS
WITH placed AS (
    SELECT
        "_step" AS step, "_row" AS row, "_id" AS id,
        {%- for g in grain %}
        "_{{ g.name }}" AS {{ g.name }},
        {%- endfor %}
        hash({{ columns | map(attribute="column") | join(", ") }}) AS content
    FROM moving
),
changed AS (
    SELECT
        coalesce(a.row, b.row) AS row, coalesce(a.id, b.id) AS id, coalesce(a.step, b.step + 1) AS step,
        a.row IS NOT NULL AS stands_after, b.row IS NOT NULL AS stood_before,
        {%- for g in grain %}
        a.{{ g.name }} AS after_{{ g.name }}, b.{{ g.name }} AS before_{{ g.name }}{{ "," if not loop.last }}
        {%- endfor %}
    FROM placed AS a
    FULL JOIN placed AS b ON a.row = b.row AND a.step = b.step + 1
    WHERE a.content IS DISTINCT FROM b.content
        AND coalesce(a.step, b.step + 1) BETWEEN 1 AND {{ last_step }}
)
{%- for place, stands in [("after", "stands_after"), ("before", "stood_before")] %}
SELECT d.cell, c.step, c.row, c.id
FROM changed AS c
JOIN differing AS d ON {% for g in grain %}c.{{ place }}_{{ g.name }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
WHERE c.{{ stands }}
{{ "UNION" if not loop.last }}
{%- endfor %}
