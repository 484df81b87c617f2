-- What does each measure come to after each step of the walk, and which cause took what share of the difference?
-- Reads moving, still, touched, deltas and differing. shares sum to b - s; a remainder means that the walk does not
-- start at the batch's events or does not end at the stream's. A cell is folded at the steps that touch it; in
-- between its value stands. A minimum, maximum or average of nothing is NULL and counts as zero in a difference; a
-- cause that makes something of nothing, or nothing of something, has a share even where that is zero.
CREATE OR REPLACE TEMP TABLE needed AS
SELECT cell, 0 AS step FROM differing
UNION
SELECT cell, step FROM touched;

CREATE OR REPLACE TEMP VIEW steps AS
SELECT n.cell AS "_cell", n.step AS "_step", {% for c in columns %}s.{{ c.column }}{{ ", " if not loop.last }}{% endfor %}
FROM still AS s
JOIN needed AS n ON s.cell = n.cell
UNION ALL
SELECT d.cell AS "_cell", m."_step", {% for c in columns %}m.{{ c.column }}{{ ", " if not loop.last }}{% endfor %}
FROM moving AS m
JOIN differing AS d ON {% for g in grain %}m."_{{ g.name }}" IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
SEMI JOIN needed AS n ON d.cell = n.cell AND m."_step" = n.step;

CREATE OR REPLACE TEMP TABLE folds AS
SELECT "_cell" AS cell, "_step" AS step, {% for m in measures %}{{ m.scaled }} AS {{ m.name }}{{ ", " if not loop.last }}{% endfor %}
FROM (SELECT "_cell", "_step", {{ aggregates | join(", ") }} FROM steps GROUP BY "_cell", "_step");

CREATE OR REPLACE TEMP TABLE walk AS
SELECT
    d.cell, d.day, d.measure, d.b, d.r, d.s, d.e, d.beyond, t.step,
    last_value(CASE WHEN n.cell IS NOT NULL THEN {'value': coalesce(v.value, z.zero)} END IGNORE NULLS) OVER (
        PARTITION BY d.cell, d.measure ORDER BY t.step
    ).value AS value
FROM (SELECT * FROM deltas SEMI JOIN differing USING (cell)) AS d
JOIN (
    {%- for m in measures %}
    SELECT {{ loop.index0 }} AS measure, CAST({{ m.zero }} AS HUGEINT) AS zero
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
) AS z ON d.measure = z.measure
CROSS JOIN range(0, {{ last_step + 1 }}) AS t(step)
LEFT JOIN needed AS n ON d.cell = n.cell AND t.step = n.step
LEFT JOIN (
    {%- for m in measures %}
    SELECT cell, step, {{ loop.index0 }} AS measure, {{ m.name }} AS value FROM folds
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
) AS v ON d.cell = v.cell AND d.measure = v.measure AND t.step = v.step;

CREATE OR REPLACE TEMP TABLE shares AS
SELECT cell, day, measure, cause, coalesce(before, 0) - coalesce(after, 0) AS share
FROM (
    SELECT cell, day, measure, '{{ causes[0] }}' AS cause, b AS before, e AS after FROM walk WHERE step = 0
    UNION ALL
    SELECT cell, day, measure, ['{{ causes[1:-1] | join("', '") }}'][step] AS cause, before, value AS after
    FROM (SELECT *, lag(value) OVER (PARTITION BY cell, measure ORDER BY step) AS before FROM walk)
    WHERE step > 0
    UNION ALL
    SELECT cell, day, measure, '{{ causes[-1] }}' AS cause, r AS before, s AS after FROM walk WHERE step = 0
)
WHERE before IS DISTINCT FROM after;

-- Something in place of nothing is at least one unit of the last place.
CREATE OR REPLACE TEMP TABLE remainders AS
SELECT
    cell, measure,
    sum(CASE WHEN wanted IS DISTINCT FROM value THEN greatest(abs(coalesce(wanted, 0) - coalesce(value, 0)), 1) ELSE 0 END) AS remainder
FROM (SELECT *, CASE WHEN step = 0 THEN e ELSE r END AS wanted FROM walk WHERE step IN (0, {{ last_step }}))
GROUP BY cell, measure
