-- Which events of closed days were accepted or came late, each {{ "version" if version else "id" }} once, and how many seconds after its day's end?
{%- if version %} The day of
-- a version is the earliest among its own and those of the accepted versions of its id, as it is judged.
{%- endif %}
CREATE OR REPLACE TEMP TABLE seen AS
SELECT {{ columns | join(", ") }}, (epoch_us(arrived_at) - epoch_us({{ day_end }})) / 1e6 AS lag
FROM (
    SELECT
        * EXCLUDE (business_day, accepted),
        {%- if version %}
        least(business_day, min(business_day) FILTER (WHERE accepted) OVER (PARTITION BY {{ id }})) AS business_day
        {%- else %}
        business_day
        {%- endif %}
    FROM (
        {%- for table in ["silver_of_days", "late"] %}
        SELECT
            {{ columns | join(", ") }}, arrived_at, kafka_partition, kafka_offset, business_day,
            {{ loop.first }} AS accepted
        FROM {{ table }}
        WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
        {{ "UNION ALL" if not loop.last }}
        {%- endfor %}
    )
)
QUALIFY row_number() OVER (
    PARTITION BY {{ id }}{{ ", " ~ version if version }} ORDER BY arrived_at, kafka_partition, kafka_offset
) = 1
