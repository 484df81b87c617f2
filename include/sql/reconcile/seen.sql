-- Which events of closed days were accepted or came late, each id once, and how many seconds after its day's end?
CREATE OR REPLACE TEMP TABLE seen AS
SELECT {{ columns | join(", ") }}, (epoch_us(arrived_at) - epoch_us({{ day_end }})) / 1e6 AS lag
FROM (
    {%- for table in ["silver_of_days", "late"] %}
    SELECT {{ columns | join(", ") }}, arrived_at, kafka_partition, kafka_offset, business_day
    FROM {{ table }}
    WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
    {{ "UNION ALL" if not loop.last }}
    {%- endfor %}
)
QUALIFY row_number() OVER (PARTITION BY {{ id }} ORDER BY arrived_at, kafka_partition, kafka_offset) = 1
