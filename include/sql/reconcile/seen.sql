-- Which events of closed days were accepted or came late, and between which of the bounds did each of them count?
-- lag: seconds from its day's end to its arrival. rung: how many of the bounds it arrived at or after.
{%- if version %}
-- gone: the rung of the first newer version of its id, with which it counts no more. {{ never }}: it counts for good.
-- The day of a version is the earliest among its own and those of the versions of its id that were accepted before
-- it, as it was judged when it came: what came later changes nothing, and those versions may lie on any day.
{%- else %}
-- gone: it counts for good. Each id is in silver or late once; the copies that a fault makes of it are found elsewhere.
{%- endif %}
CREATE OR REPLACE TEMP {{ "TABLE" if version else "VIEW" }} seen AS
WITH ends_of_days AS (
    -- One look-up a day: to ask the time zone of every event would cost more than all the rest.
    SELECT business_day, epoch_us({{ day_end }}) AS end_us
    FROM (SELECT CAST(unnest(generate_series({{ first }}, {{ closed_through }}, INTERVAL 1 DAY)) AS DATE) AS business_day)
)
{%- if version %},
of_days AS (
    SELECT {{ id }} AS id FROM silver_of_days WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
    UNION
    SELECT {{ id }} FROM late WHERE business_day BETWEEN {{ first }} AND {{ closed_through }}
)
{%- endif %}
SELECT
    {{ columns | join(", ") }}, business_day, lag, rung,
    {%- if version %}
    coalesce(
        min(rung) OVER (PARTITION BY {{ id }} ORDER BY {{ version }} DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        {{ never }}
    ) AS gone
    {%- else %}
    {{ never }} AS gone
    {%- endif %}
FROM (
    SELECT
        *,
        CASE {% for bound in bounds %}WHEN lag < {{ bound }} THEN {{ loop.index0 }} {% endfor %}ELSE {{ bounds | length }} END AS rung
    FROM (
        SELECT {{ columns | join(", ") }}, business_day, (epoch_us(arrived_at) - end_us) / 1e6 AS lag
        {%- if version %}, arrived_at, kafka_partition, kafka_offset{% endif %}
        FROM (
            {%- if version %}
            SELECT
                * EXCLUDE (business_day, accepted),
                least(
                    business_day,
                    min(business_day) FILTER (WHERE accepted) OVER (
                        PARTITION BY {{ id }} ORDER BY kafka_partition, kafka_offset
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    )
                ) AS business_day
            FROM (
                {%- for table in ["silver", "late"] %}
                SELECT
                    {{ columns | join(", ") }}, arrived_at, kafka_partition, kafka_offset, business_day,
                    {{ loop.first }} AS accepted
                FROM {{ table }} AS t SEMI JOIN of_days AS d ON t.{{ id }} = d.id
                {{ "UNION ALL" if not loop.last }}
                {%- endfor %}
            )
            {%- else %}
            {%- for table in ["silver_of_days", "late"] %}
            SELECT {{ columns | join(", ") }}, arrived_at, business_day FROM {{ table }}
            {{ "UNION ALL" if not loop.last }}
            {%- endfor %}
            {%- endif %}
        )
        JOIN ends_of_days USING (business_day)
    )
    {%- if version %}
    QUALIFY row_number() OVER (
        PARTITION BY {{ id }}, {{ version }} ORDER BY arrived_at, kafka_partition, kafka_offset
    ) = 1
    {%- endif %}
)
