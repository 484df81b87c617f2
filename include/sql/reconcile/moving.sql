-- Which events does the walk touch at all, and as what do they stand after each step? Most events are the same on
-- both sides in every step; they are `still`, and belong to one cell from beginning to end.
CREATE OR REPLACE TEMP VIEW told_apart AS
SELECT
    *,
    NOT (in_batch AND in_stream{% for c in columns %} AND {{ c.batch }} IS NOT DISTINCT FROM {{ c.stream }}{% endfor %}) AS moves
FROM walked;

CREATE OR REPLACE TEMP TABLE moving AS
SELECT e.step AS "_step", e."_row", e."_id", {% for c in columns %}e.{{ c.column }}{{ ", " if not loop.last }}{% endfor %},
    {% for g in grain %}{{ g.expression }} AS "_{{ g.name }}"{{ ", " if not loop.last }}{% endfor %}
FROM (
    SELECT
        t.step, w.row AS "_row", w.id AS "_id",
        {%- for c in columns %}
        CASE WHEN w.in_stream AND (NOT w.in_batch OR t.step >= {{ "coalesce(w.turns, " ~ c.step ~ ")" if version else c.step }}) THEN w.{{ c.stream }} ELSE w.{{ c.batch }} END AS {{ c.column }}{{ "," if not loop.last }}
        {%- endfor %}
    FROM told_apart AS w, range(0, {{ last_step + 1 }}) AS t(step)
    WHERE w.moves AND t.step >= w.enters AND t.step < w.leaves
) AS e;

CREATE OR REPLACE TEMP TABLE still AS
SELECT d.cell, {% for c in columns %}e.{{ c.column }}{{ ", " if not loop.last }}{% endfor %}
FROM ({{ alike }}) AS e
JOIN differing AS d ON {% for g in grain %}e."_{{ g.name }}" IS NOT DISTINCT FROM d.{{ g.name }}{{ " AND " if not loop.last }}{% endfor %}
