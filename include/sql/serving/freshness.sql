-- How fresh is what readers of one KPI get? newest_record: arrival of the newest event in the stream's rows.
SELECT r.kpi, r.migration, r.source, r.revision, r.epoch, r.changed_at,
       CASE WHEN r.source = 'batch' THEN 'nightly' ELSE 'streaming' END AS tier,
       CASE WHEN r.source <> 'batch' THEN r.fresh_within END AS promised_within,
       CASE WHEN r.source <> 'batch' THEN r.stale_after END AS stale_after,
       {newest} AS newest_record
FROM serving.route AS r
WHERE r.kpi = {kpi}
