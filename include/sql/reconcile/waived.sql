-- Which cells beyond tolerance do waivers cover, and what does each waiver's cause come to? Reads shares, deltas,
-- remainders and differing. Instants and dates have no magnitude: there, cells are counted.
CREATE OR REPLACE TEMP TABLE reached AS
SELECT
    w.waiver, s.cell, s.day, s.measure, s.cause, s.share,
    CASE WHEN s.measure IN ({{ (instants + [-1]) | join(", ") }}) THEN 1 ELSE abs(s.share) END AS weight
FROM shares AS s
JOIN deltas AS d ON s.cell = d.cell AND s.measure = d.measure AND d.beyond
JOIN (
    {%- for w in waivers %}
    SELECT {{ w.id }} AS waiver, '{{ w.cause }}' AS cause, c.cell, m.measure
    FROM differing AS c, (SELECT unnest({{ w.measures }}) AS measure) AS m
    WHERE c.day BETWEEN {{ w.first_day }} AND {{ w.last_day }} AND {{ w.cells }}
    {{ "UNION ALL" if not loop.last }}
    {%- else %}
    SELECT NULL::BIGINT AS waiver, NULL::VARCHAR AS cause, NULL::BIGINT AS cell, NULL::INTEGER AS measure WHERE FALSE
    {%- endfor %}
) AS w ON s.cell = w.cell AND s.measure = w.measure AND s.cause = w.cause
WHERE s.day <= {{ closed_through }};

CREATE OR REPLACE TEMP TABLE used AS
WITH sizes AS (
    SELECT
        day, measure,
        CASE WHEN measure IN ({{ (instants + [-1]) | join(", ") }}) THEN count(*) ELSE coalesce(sum(abs(b)), 0) END AS batch
    FROM deltas
    GROUP BY day, measure
),
bounds AS (
    {%- for w in waivers %}
    SELECT {{ w.id }} AS waiver, {{ w.numerator }}::HUGEINT AS numerator, {{ w.denominator }}::HUGEINT AS denominator
    {{ "UNION ALL" if not loop.last }}
    {%- else %}
    SELECT NULL::BIGINT AS waiver, NULL::HUGEINT AS numerator, NULL::HUGEINT AS denominator WHERE FALSE
    {%- endfor %}
),
one_by_one AS (
    SELECT
        r.waiver, r.day, r.measure, r.gross, z.batch,
        coalesce(
            TRY(r.gross * b.denominator <= z.batch * b.numerator),
            CAST(r.gross AS DOUBLE) * b.denominator <= CAST(z.batch AS DOUBLE) * b.numerator
        ) AS within
    FROM (SELECT waiver, day, measure, sum(weight) AS gross FROM reached GROUP BY waiver, day, measure) AS r
    JOIN sizes AS z ON r.day = z.day AND r.measure = z.measure
    JOIN bounds AS b ON r.waiver = b.waiver
),
together AS (
    -- Several waivers may not accept more between them than one may.
    SELECT
        t.day, t.measure,
        coalesce(
            TRY(t.gross * {{ limit[1] }} <= z.batch * {{ limit[0] }}),
            CAST(t.gross AS DOUBLE) * {{ limit[1] }} <= CAST(z.batch AS DOUBLE) * {{ limit[0] }}
        ) AS within
    FROM (
        SELECT day, measure, sum(weight) AS gross
        FROM (
            SELECT DISTINCT r.cell, r.day, r.measure, r.cause, r.weight
            FROM reached AS r
            SEMI JOIN (SELECT * FROM one_by_one WHERE within) AS o
                ON r.waiver = o.waiver AND r.day = o.day AND r.measure = o.measure
        )
        GROUP BY day, measure
    ) AS t
    JOIN sizes AS z ON t.day = z.day AND t.measure = z.measure
)
SELECT o.waiver, o.day, o.measure, o.gross, o.batch, o.within AND coalesce(t.within, FALSE) AS covers
FROM one_by_one AS o
LEFT JOIN together AS t ON o.day = t.day AND o.measure = t.measure;

CREATE OR REPLACE TEMP TABLE waived AS
WITH taken_out AS (
    SELECT cell, measure, sum(share) AS share, count(*) AS causes
    FROM (
        SELECT DISTINCT r.cell, r.measure, r.cause, r.share
        FROM reached AS r
        SEMI JOIN (SELECT * FROM used WHERE covers) AS u
            ON r.waiver = u.waiver AND r.day = u.day AND r.measure = u.measure
    )
    GROUP BY cell, measure
),
whole AS (
    SELECT cell, measure, count(*) AS causes FROM shares GROUP BY cell, measure
),
weighed AS (
    SELECT
        d.cell, d.measure, d.b, d.s, a.causes = w.causes AS all_taken_out,
        abs(coalesce(d.b, 0) - coalesce(d.s, 0) - a.share) AS rest,
        {% for g in grain %}c.{{ g.name }}{{ ", " if not loop.last }}{% endfor %}
    FROM deltas AS d
    JOIN differing AS c ON d.cell = c.cell
    JOIN taken_out AS a ON d.cell = a.cell AND d.measure = a.measure
    JOIN whole AS w ON d.cell = w.cell AND d.measure = w.measure
    JOIN remainders AS m ON d.cell = m.cell AND d.measure = m.measure AND m.remainder = 0
    WHERE d.beyond AND NOT d.engine_off
)
{%- for m in measures %}
SELECT cell, measure
FROM weighed
WHERE measure = {{ m.index }}
    AND CASE WHEN b IS NULL OR s IS NULL THEN all_taken_out ELSE rest = 0 OR {{ m.within("b", "rest", grain) }} END
{{ "UNION ALL" if not loop.last }}
{%- endfor %}
