-- How many different values has a measure counted, over all cells, when only arrivals below each bound counted? The last
-- column counts them all.
SELECT {% for rung, bound in classes %}count_if(below_{{ loop.index0 }}), {% endfor %}count_if(ever)
FROM (
    SELECT
        {%- for rung, bound in classes %}
        bool_or(rung <= {{ rung }} AND gone > {{ rung }}) AS below_{{ loop.index0 }},
        {%- endfor %}
        bool_or(gone = {{ never }}) AS ever
    FROM seen WHERE {{ counts }} GROUP BY {{ cell | join(", ") }}, {{ value }}
)
