-- How long after the end of their business day did the events of closed days arrive? Late ones included.
SELECT after_bound, before_bound, coalesce(sum(a.events), 0) AS events
FROM (
    SELECT bound AS before_bound, rung AS last_rung, lag(bound) OVER w AS after_bound, lag(rung) OVER w AS before_first
    FROM (VALUES {% for rung, bound in classes %}({{ bound }}, {{ rung }}), {% endfor %}(NULL, {{ never }})) AS v (bound, rung)
    WINDOW w AS (ORDER BY rung)
) AS b
LEFT JOIN (SELECT rung, sum(events) AS events FROM arrivals GROUP BY rung) AS a
    ON a.rung > coalesce(b.before_first, -1) AND a.rung <= b.last_rung
GROUP BY after_bound, before_bound
ORDER BY before_bound NULLS LAST
