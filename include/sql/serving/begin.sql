-- From which value of a KPI's time column on is it the stream that serves? The beginning of the first whole period
-- on or after from_period, once for the whole query, so that an index on the column can be used.
(SELECT {begin} FROM serving.route WHERE kpi = {kpi})
