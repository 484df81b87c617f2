-- When did the events of a KPI arrive, and what did they add to each additive measure? Events are read here once.
-- watched: of a day that was watched for as long as the largest bound that is advised on. below: seconds after the
-- period's end before which these events arrived, to the minute, and to the hour before the period's end.
CREATE OR REPLACE TEMP TABLE arrivals AS
SELECT
    watched, {% for s in segments %}s{{ loop.index0 }}, {% endfor %}rung, gone, below, events
    {%- for m in adding %}, {{ m.scaled }} AS {{ m.name }}{% endfor %}
FROM (
    SELECT
        business_day <= {{ through }} AS watched,
        {% for s in segments %}{{ s }} AS s{{ loop.index0 }}, {% endfor %}rung, gone,
        CASE
            WHEN lag < 0 THEN CAST(floor(lag / 3600) AS BIGINT) * 3600 + 3600
            ELSE CAST(floor(lag / 60) AS BIGINT) * 60 + 60
        END AS below,
        count(*) AS events
        {%- for a in aggregates %}, {{ a }}{% endfor %}
    FROM seen GROUP BY ALL
)
