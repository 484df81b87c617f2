{{ events(weight="case when t.rider = 'r3' then c.weight + 1 else c.weight end") }}
