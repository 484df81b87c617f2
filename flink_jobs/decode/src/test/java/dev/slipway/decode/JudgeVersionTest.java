package dev.slipway.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.time.Instant;
import org.junit.jupiter.api.Test;

class JudgeVersionTest {
    private static final int SUNDAY = 10;
    private static final int MONDAY = 11;
    private static final int WEDNESDAY = 13;

    private final JudgeVersion judge = new JudgeVersion();
    private final JudgeVersion.Versions versions = judge.createAccumulator();

    private Integer judged(long version, int day, boolean inTime) throws Exception {
        judge.accumulate(versions, version, day, inTime);
        return judge.getValue(versions);
    }

    @Test
    void aVersionIsJudgedByTheEarliestDayThatWasAccepted() throws Exception {
        assertEquals(MONDAY, judged(1, MONDAY, true));
        assertEquals(SUNDAY, judged(2, SUNDAY, true));
        assertEquals(SUNDAY, judged(3, WEDNESDAY, true));
    }

    @Test
    void aDayThatWasLateIsNotRemembered() throws Exception {
        assertEquals(SUNDAY, judged(1, SUNDAY, false));
        assertEquals(WEDNESDAY, judged(2, WEDNESDAY, true));
    }

    @Test
    void aVersionThatCameBeforeIsNothingWhateverItSays() throws Exception {
        assertEquals(WEDNESDAY, judged(1, WEDNESDAY, true));
        assertNull(judged(1, SUNDAY, true));
        assertEquals(WEDNESDAY, judged(2, WEDNESDAY, true));
        assertNull(judged(2, WEDNESDAY, true));
    }

    @Test
    void anOlderVersionIsAVersionLikeAnyOther() throws Exception {
        assertEquals(MONDAY, judged(5, MONDAY, true));
        assertEquals(SUNDAY, judged(4, SUNDAY, true));
    }

    @Test
    void instantsAreToldApartByTheMicrosecond() throws Exception {
        Instant first = Instant.parse("1969-12-31T23:59:59.999999Z");
        judge.accumulate(versions, first, MONDAY, true);
        judge.accumulate(versions, first.plusNanos(1_000), MONDAY, true);
        assertEquals(MONDAY, judge.getValue(versions));
        judge.accumulate(versions, first, MONDAY, true);
        assertNull(judge.getValue(versions));
    }
}
