-- Which events of closed days were accepted or came late, each {{ "version" if version else "id" }} once, and how many seconds after its day's end?
{%- if version %}
-- The day of a version is the earliest among its own and those of the versions of its id that were accepted before
-- it, as it was judged when it came: what came later changes nothing, and those versions may lie on any day.
{%- endif %}
CREATE OR REPLACE TEMP TABLE seen AS
{%- if version %}
WITH of_days AS (
    SELECT {{ id }} AS id FROM silver_of_days WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
    UNION
    SELECT {{ id }} FROM late WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
)
{%- endif %}
SELECT {{ columns | join(", ") }}, (epoch_us(arrived_at) - epoch_us({{ day_end }})) / 1e6 AS lag
FROM (
    SELECT
        * EXCLUDE (business_day, accepted),
        {%- if version %}
        least(
            business_day,
            min(business_day) FILTER (WHERE accepted) OVER (
                PARTITION BY {{ id }} ORDER BY kafka_partition, kafka_offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
        ) AS business_day
        {%- else %}
        business_day
        {%- endif %}
    FROM (
        {%- for table in ["silver" if version else "silver_of_days", "late"] %}
        SELECT
            {{ columns | join(", ") }}, arrived_at, kafka_partition, kafka_offset, business_day,
            {{ loop.first }} AS accepted
        FROM {{ table }}{{ " AS t SEMI JOIN of_days AS d ON t." ~ id ~ " = d.id" if version }}
        {{ "UNION ALL" if not loop.last }}
        {%- endfor %}
    )
)
WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
QUALIFY row_number() OVER (
    PARTITION BY {{ id }}{{ ", " ~ version if version }} ORDER BY arrived_at, kafka_partition, kafka_offset
) = 1
