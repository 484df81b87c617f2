-- Which values of a closed period are not any more what was signed? kept: the rows of its close, with whole numbers
-- scaled by 10^(places of the measure); batch, stream: the rows of today. A row that is not there equals the measures
-- over no events, but is told as NULL. A key that stands in several rows today counts with their sum, as a reader
-- counts it. Doubles are the same up to the last compared place, and up to twelve digits.
WITH gathered AS (
    SELECT 'was' AS era, side, {{ keys }}, {{ values }} FROM {{ kept }} WHERE side IN ('b', 's')
    {%- for side, relation in sides.items() %}
    UNION ALL
    SELECT
        'now', '{{ side }}',
        {%- for g in grain %}
        CAST({{ g.column }} AS {{ g.type }}),
        {%- endfor %}
        {%- for m in measures %}
        {{ m.scaled }}{{ "," if not loop.last }}
        {%- endfor %}
    FROM {{ relation }} AS side_{{ side }}
    {%- endfor %}
),
cells AS (
    SELECT
        side, {{ keys }}, {{ day }} AS day,
        {%- for m in measures %}
        max({{ m.name }}) FILTER (WHERE era = 'was') AS {{ m.name }}_was,
        CASE WHEN count(*) FILTER (WHERE era = 'now') > 1 THEN sum({{ m.name }}) FILTER (WHERE era = 'now')
            ELSE max({{ m.name }}) FILTER (WHERE era = 'now') END AS {{ m.name }}_now{{ "," if not loop.last }}
        {%- endfor %}
    FROM gathered
    WHERE {{ whole }}
    GROUP BY side, {{ keys }}
)
{%- for m in measures %}
SELECT {{ m.index }} AS measure, side, day, {{ m.name }}_was AS was, {{ m.name }}_now AS now, {{ texts }}
FROM cells
WHERE {{ m.moved }}
{{ "UNION ALL" if not loop.last }}
{%- endfor %}
ORDER BY ALL
