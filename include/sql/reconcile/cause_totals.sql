-- What did each cause take from each measure on each day: net over the cells, and gross of magnitudes?
SELECT day, measure, cause, sum(share) AS net, sum(abs(share)) AS gross
FROM shares
GROUP BY day, measure, cause
ORDER BY day, measure, cause
