-- Which events does each cause touch in each differing cell: how many, and the first ten ids?
WITH placed AS (
    SELECT
        "_step" AS step, "_row" AS row, "_id" AS id,
        {%- for g in grain %}
        {{ g.expression }} AS {{ g.name }},
        {%- endfor %}
        hash({{ columns | map(attribute="column") | join(", ") }}) AS content
    FROM steps
    WHERE "_moves"
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
),
touched AS (
    {%- for place, stands in [("after", "stands_after"), ("before", "stood_before")] %}
    SELECT d.cell, c.step, c.row, c.id
    FROM changed AS c
    JOIN differing AS d ON {% for g in grain %}c.{{ place }}_{{ g.name }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
    WHERE c.{{ stands }}
    {{ "UNION" if not loop.last }}
    {%- endfor %}
)
SELECT
    d.day, {% for g in grain %}CAST(d.{{ g.name }} AS VARCHAR) AS {{ g.name }}, {% endfor %}
    ['{{ causes[1:-1] | join("', '") }}'][t.step] AS cause,
    count(DISTINCT t.row) AS events,
    list_slice(list_sort(list(DISTINCT t.id)), 1, 10) AS ids
FROM touched AS t
JOIN differing AS d ON t.cell = d.cell
GROUP BY d.cell, d.day, {% for g in grain %}d.{{ g.name }}, {% endfor %}t.step
ORDER BY d.day, t.step, events DESC, d.cell
LIMIT {{ most }}
