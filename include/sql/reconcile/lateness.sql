-- How long after the end of their business day did the events of closed days arrive? Late ones included.
-- Reads seen: first accepted or late events with lag, seconds from the period's end to the arrival.
SELECT after_bound, before_bound, count(s.lag) AS events
FROM (
    SELECT bound AS before_bound, lag(bound) OVER (ORDER BY bound NULLS LAST) AS after_bound
    FROM (SELECT unnest({{ bounds }}) AS bound UNION ALL SELECT NULL)
) AS b
LEFT JOIN seen AS s
    ON s.lag >= coalesce(b.after_bound, -1e18) AND s.lag < coalesce(b.before_bound, 1e18)
GROUP BY after_bound, before_bound
ORDER BY before_bound NULLS LAST
