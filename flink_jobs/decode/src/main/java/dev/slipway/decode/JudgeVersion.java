package dev.slipway.decode;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.api.dataview.MapView;
import org.apache.flink.table.functions.AggregateFunction;

/**
 * judge_version(version, business_day DATE, in_time BOOLEAN) OVER (PARTITION BY id ... UNBOUNDED PRECEDING) -> DATE:
 * the day that this version is judged late or in time by, the earliest among its own and those of
 * the versions accepted before it. Null when the version came before: a duplicate, which is neither.
 *
 * <p>in_time: whether the version would be in time by its own day. A version whose day is not the earliest can't
 * make that earlier, so it does not matter here whether it is accepted in the end.
 *
 * <p>In SQL this takes a MIN over the id and a ROW_NUMBER over id and version. The second must stand behind the
 * first, so that a duplicate's day, which nobody counts, would take part in the first.
 */
@FunctionHint(output = @DataTypeHint(value = "DATE", bridgedTo = Integer.class))
public class JudgeVersion extends AggregateFunction<Integer, JudgeVersion.Versions> {
    private static final long serialVersionUID = 1L;

    /** What is known of one id: its versions, and the day by which the newest record of it is judged. */
    public static class Versions {
        public MapView<Long, Boolean> seen = new MapView<>();
        public Integer earliest;
        public Integer answer;
    }

    @Override
    public Versions createAccumulator() {
        return new Versions();
    }

    /** Takes a version that is a number. */
    public void accumulate(
            Versions versions,
            Long version,
            @DataTypeHint(value = "DATE", bridgedTo = Integer.class) Integer day,
            Boolean inTime)
            throws Exception {
        if (versions.seen.contains(version)) {
            versions.answer = null;
            return;
        }
        versions.seen.put(version, true);
        versions.answer = versions.earliest == null ? day : Integer.valueOf(Math.min(day, versions.earliest));
        if (inTime) {
            versions.earliest = versions.answer;
        }
    }

    /** Takes a version that is an instant, in microseconds as the lake has it. */
    public void accumulate(
            Versions versions,
            @DataTypeHint("TIMESTAMP_LTZ(6)") Instant version,
            @DataTypeHint(value = "DATE", bridgedTo = Integer.class) Integer day,
            Boolean inTime)
            throws Exception {
        accumulate(versions, ChronoUnit.MICROS.between(Instant.EPOCH, version), day, inTime);
    }

    @Override
    public Integer getValue(Versions versions) {
        return versions.answer;
    }
}
