-- What does each measure come to after each step of the walk, and which cause took what share of the difference?
-- Reads walked, deltas and differing. shares sum to b - s; a remainder means that the walk does not start at the
-- batch's events or does not end at the stream's.
CREATE OR REPLACE TEMP TABLE steps AS
SELECT
    t.step AS "_step", w.row AS "_row", w.id AS "_id",
    NOT (w.in_batch AND w.in_stream{% for c in columns %} AND w.{{ c.batch }} IS NOT DISTINCT FROM w.{{ c.stream }}{% endfor %}) AS "_moves",
    {%- for c in columns %}
    CASE WHEN w.in_stream AND (NOT w.in_batch OR t.step >= {{ c.step }}) THEN w.{{ c.stream }} ELSE w.{{ c.batch }} END AS {{ c.column }}{{ "," if not loop.last }}
    {%- endfor %}
FROM walked AS w, range(0, {{ last_step + 1 }}) AS t(step)
WHERE t.step >= w.enters AND t.step < w.leaves;

CREATE OR REPLACE TEMP TABLE folds AS
SELECT d.cell, f."_step" AS step, {% for m in measures %}{{ m.scaled }} AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %}
FROM ({{ fold_steps }}) AS f
JOIN differing AS d ON {% for g in grain %}f.{{ g.column }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %};

CREATE OR REPLACE TEMP TABLE walk AS
SELECT d.cell, d.day, d.measure, d.b, d.r, d.s, d.e, d.beyond, coalesce(v.value, 0) AS value, t.step
FROM (SELECT * FROM deltas SEMI JOIN differing USING (cell)) AS d
CROSS JOIN range(0, {{ last_step + 1 }}) AS t(step)
LEFT JOIN (
    {%- for m in measures %}
    SELECT cell, step, {{ loop.index0 }} AS measure, {{ m.name }} AS value FROM folds
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
) AS v ON d.cell = v.cell AND d.measure = v.measure AND t.step = v.step;

CREATE OR REPLACE TEMP TABLE shares AS
SELECT * FROM (
    SELECT cell, day, measure, '{{ causes[0] }}' AS cause, coalesce(b, 0) - coalesce(e, 0) AS share FROM walk WHERE step = 0
    UNION ALL
    SELECT cell, day, measure, ['{{ causes[1:-1] | join("', '") }}'][step] AS cause, before - value AS share
    FROM (SELECT *, lag(value) OVER (PARTITION BY cell, measure ORDER BY step) AS before FROM walk)
    WHERE step > 0
    UNION ALL
    SELECT cell, day, measure, '{{ causes[-1] }}' AS cause, coalesce(r, 0) - coalesce(s, 0) AS share FROM walk WHERE step = 0
)
WHERE share <> 0;

CREATE OR REPLACE TEMP TABLE remainders AS
SELECT
    cell, measure,
    abs(coalesce(any_value(e), 0) - any_value(value) FILTER (WHERE step = 0))
    + abs(coalesce(any_value(r), 0) - any_value(value) FILTER (WHERE step = {{ last_step }})) AS remainder
FROM walk
GROUP BY cell, measure
