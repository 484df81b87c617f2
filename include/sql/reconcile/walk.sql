-- What does each measure come to after each step of the walk, and which cause took what share of the difference?
-- Reads moving, still, touched, deltas and differing. shares sum to b - s; a remainder means that the walk does not
-- start at the batch's events or does not end at the stream's. A cell is folded at the steps that touch it; in
-- between its value stands.
CREATE OR REPLACE TEMP TABLE needed AS
SELECT cell, 0 AS step FROM differing
UNION
SELECT cell, step FROM touched;

CREATE OR REPLACE TEMP VIEW steps AS
SELECT n.step AS "_step", {% for c in columns %}s.{{ c.column }}{{ ", " if not loop.last }}{% endfor %}
FROM still AS s
JOIN needed AS n ON s.cell = n.cell
UNION ALL
SELECT m."_step", {% for c in columns %}m.{{ c.column }}{{ ", " if not loop.last }}{% endfor %}
FROM moving AS m
JOIN differing AS d ON {% for g in grain %}m."_{{ g.name }}" IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
SEMI JOIN needed AS n ON d.cell = n.cell AND m."_step" = n.step;

CREATE OR REPLACE TEMP TABLE folds AS
SELECT d.cell, f."_step" AS step, {% for m in measures %}{{ m.scaled }} AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %}
FROM ({{ fold_steps }}) AS f
JOIN differing AS d ON {% for g in grain %}f.{{ g.column }} IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %};

CREATE OR REPLACE TEMP TABLE walk AS
SELECT
    d.cell, d.day, d.measure, d.b, d.r, d.s, d.e, d.beyond, t.step,
    last_value(CASE WHEN n.cell IS NOT NULL THEN coalesce(v.value, 0) END IGNORE NULLS) OVER (
        PARTITION BY d.cell, d.measure ORDER BY t.step
    ) AS value
FROM (SELECT * FROM deltas SEMI JOIN differing USING (cell)) AS d
CROSS JOIN range(0, {{ last_step + 1 }}) AS t(step)
LEFT JOIN needed AS n ON d.cell = n.cell AND t.step = n.step
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
