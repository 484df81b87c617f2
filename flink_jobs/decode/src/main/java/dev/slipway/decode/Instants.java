package dev.slipway.decode;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import org.apache.flink.table.data.TimestampData;

/** Instants and dates from text, within the years that every part behind us can hold. */
final class Instants {
    /** One day inside the years 1 to 9999, so that the local day in any zone is inside them too. */
    static final long EARLIEST = LocalDate.of(1, 1, 2).atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli();

    static final long LATEST = LocalDate.of(9999, 12, 30).atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli();

    private Instants() {}

    static TimestampData ofMillis(long epoch) {
        return TimestampData.fromEpochMillis(epoch);
    }

    static TimestampData ofMicros(long epoch) {
        return TimestampData.fromEpochMillis(
                Math.floorDiv(epoch, 1_000L), (int) Math.floorMod(epoch, 1_000L) * 1_000);
    }

    /**
     * Reads an ISO 8601 instant with an offset; fractions finer than the precision (3 or 6 digits) are cut.
     *
     * @throws DateTimeException when the text is anything else
     */
    static TimestampData parse(String text, int precision) {
        // Feeds write whole seconds in UTC almost always; the general parser takes ten times longer.
        if (text.length() == 20
                && text.charAt(19) == 'Z'
                && text.charAt(4) == '-'
                && text.charAt(7) == '-'
                && text.charAt(10) == 'T'
                && text.charAt(13) == ':'
                && text.charAt(16) == ':') {
            int hour = digits(text, 11, 13);
            int minute = digits(text, 14, 16);
            int second = digits(text, 17, 19);
            if (hour < 24 && minute < 60 && second < 60) {
                long day = LocalDate.of(digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)).toEpochDay();
                return ofMillis((day * 86_400L + hour * 3_600L + minute * 60L + second) * 1_000L);
            }
        }
        Instant instant = OffsetDateTime.parse(text).toInstant();
        return precision == 3
                ? ofMillis(instant.toEpochMilli())
                : TimestampData.fromEpochMillis(instant.toEpochMilli(), instant.getNano() / 1_000 % 1_000 * 1_000);
    }

    private static int digits(String text, int from, int to) {
        int value = 0;
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (c < '0' || c > '9') {
                throw new DateTimeException("not a digit");
            }
            value = value * 10 + (c - '0');
        }
        return value;
    }
}
