-- Which late rows count at the cut since they were amended, and in rows of which unit? A row of a week or a month that
-- was open at the decision is amended at its close. replaces: whether the accepted versions of the id count no more.
-- The same as Relations.amended of the comparison, for an engine that can't ask there.
INSERT INTO {places} (kafka_partition, kafka_offset, replaces, week, month)
SELECT
    e.kafka_partition,
    e.kafka_offset,
    e.replaces,
    bool_or(CAST(date_trunc('week', e.business_day) AS date) + 6 = ANY (a.days)),
    bool_or(CAST(date_trunc('month', e.business_day) + interval '1 month - 1 day' AS date) = ANY (a.days))
FROM stream.amended_event AS e
JOIN stream.amendment AS a
    ON a.migration = e.migration
    AND a.revision = e.revision
    AND a.amendment_id >= e.amendment_id
WHERE
    e.migration = %(migration)s
    AND e.revision = %(revision)s
    AND e.amendment_id = ANY (%(amendments)s)
    AND a.amendment_id = ANY (%(amendments)s)
GROUP BY e.kafka_partition, e.kafka_offset, e.replaces
