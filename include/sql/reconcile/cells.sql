-- Which cells differ, and is the difference tolerated? A missing row equals the measures over no events.
-- Reads sides. Segments that are NULL are cells like any other. day is the business day with which a cell closes;
-- days after closed_through are open, never judged.
CREATE OR REPLACE TEMP TABLE cells AS
SELECT
    row_number() OVER (ORDER BY {{ grain | map(attribute="name") | join(", ") }}) AS cell,
    {{ grain | map(attribute="name") | join(", ") }},
    {{ day }} AS day,
    {%- for m in measures %}
    {%- for side in ["b", "e", "r", "s"] %}
    coalesce(max({{ m.name }}) FILTER (WHERE side = '{{ side }}'), {{ m.zero }}) AS {{ m.name }}_{{ side }},
    {%- endfor %}
    {%- endfor %}
    {% for side in ["b", "e", "r", "s"] %}count(*) FILTER (WHERE side = '{{ side }}') > 1{{ " OR " if not loop.last }}{% endfor %} AS crowded
FROM sides
GROUP BY {{ grain | map(attribute="name") | join(", ") }};

CREATE OR REPLACE TEMP TABLE deltas AS
SELECT
    * EXCLUDE (near),
    same AS equal,
    NOT same AND NOT batch_off AND NOT engine_off AS tolerated,
    batch_off OR engine_off AS beyond,
    NOT same AND NOT batch_off AND NOT engine_off AND near AS nearly
FROM (
    {%- for m in measures %}
    SELECT
        cell, day, {{ loop.index0 }} AS measure,
        {{ m.name }}_b AS b, {{ m.name }}_e AS e, {{ m.name }}_r AS r, {{ m.name }}_s AS s,
        {{ m.name }}_b IS NOT DISTINCT FROM {{ m.name }}_s AND {{ m.name }}_r IS NOT DISTINCT FROM {{ m.name }}_s AS same,
        {#- A CASE weighs only the values that differ; an AND would weigh all. #}
        CASE WHEN same THEN FALSE ELSE {{ m.off(m.name ~ "_b", m.name ~ "_s", grain) }} END AS batch_off,
        CASE WHEN same THEN FALSE ELSE {{ m.off(m.name ~ "_r", m.name ~ "_s", grain) }} END AS engine_off,
        CASE WHEN same THEN FALSE ELSE
            {{ m.close(m.name ~ "_b", m.name ~ "_s", close_from, grain) }}
            OR {{ m.close(m.name ~ "_r", m.name ~ "_s", close_from, grain) }}
        END AS near
    FROM cells
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
);

CREATE OR REPLACE TEMP TABLE differing AS
SELECT c.cell, c.day, {% for g in grain %}c.{{ g.name }}{{ ", " if not loop.last }}{% endfor %}
FROM cells AS c
SEMI JOIN (SELECT cell FROM deltas WHERE NOT equal) AS d ON c.cell = d.cell
