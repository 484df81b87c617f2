-- Does a row's value of one segment column belong to the canary? A canary that doesn't name it takes all.
((SELECT NOT jsonb_exists(canary, {segment_name}) FROM serving.route WHERE kpi = {kpi})
 OR b.{segment} = ANY (ARRAY(
     SELECT jsonb_array_elements_text(canary -> {segment_name})::{type} FROM serving.route WHERE kpi = {kpi})))
