package dev.slipway.decode;

import java.math.BigDecimal;
import java.time.LocalDate;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/** What an event must be, whatever it was written as: the rules of the contract on values that were read already. */
final class EventRules {
    private static final double LARGEST_DOUBLE = 1e15;

    private final EventSchema schema;
    private final EventSchema.Field id;
    private final EventSchema.Field time;
    private final long aheadAtMostMillis;
    private final int width;
    private final int more;

    /**
     * @param more how many columns a row has behind the reason
     * @throws ValidationException when the schema has no such id and time
     */
    EventRules(EventSchema schema, String id, String time, long aheadAtMostMillis, int more) {
        this.schema = schema;
        this.id = schema.require(id);
        this.time = schema.require(time);
        this.aheadAtMostMillis = aheadAtMostMillis;
        this.width = schema.fields().size();
        this.more = more;
        if (this.time.kind() != EventSchema.Kind.TIMESTAMP) {
            throw new ValidationException("field " + time + " is the event's time, so it must be an instant");
        }
    }

    EventSchema schema() {
        return schema;
    }

    EventSchema.Field id() {
        return id;
    }

    /** A row of nothing yet: the fields, the reason, and whatever stands behind it. */
    GenericRowData row() {
        return new GenericRowData(width + 1 + more);
    }

    /** A row of nothing but the reason, and the id that was read so far. */
    GenericRowData refused(GenericRowData sofar, String reason) {
        GenericRowData refused = row();
        refused.setField(id.index(), sofar.getField(id.index()));
        refused.setField(width, StringData.fromString(reason));
        return refused;
    }

    /** Checks what concerns the whole event. arrivedAtMillis: of its record, epoch milliseconds. */
    void check(GenericRowData row, long arrivedAtMillis) throws Rejected {
        for (EventSchema.Field needed : new EventSchema.Field[] {id, time}) {
            if (row.isNullAt(needed.index())) {
                throw new Rejected("missing field " + needed.name());
            }
        }
        long at = row.getTimestamp(time.index(), time.precision()).getMillisecond();
        if (at - arrivedAtMillis > aheadAtMostMillis) {
            throw new Rejected(time.name() + " is more than " + span(aheadAtMostMillis) + " ahead of its arrival");
        }
    }

    private static String span(long millis) {
        if (millis % 3_600_000 == 0) {
            return millis / 3_600_000 + " h";
        }
        return millis % 60_000 == 0 ? millis / 60_000 + " min" : millis / 1_000.0 + " s";
    }

    /** Text that every table behind us can hold, and a key of the warehouse where it becomes one. */
    StringData text(EventSchema.Field field, String text) throws Rejected {
        if (field == id && text.isEmpty()) {
            throw new Rejected(field.name() + ": '' is no identity");
        }
        int bytes = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == 0) {
                throw Rejected.because(field, text, "holds a NUL character, which no table can store");
            }
            if (Character.isSurrogate(c)) {
                boolean pair = Character.isHighSurrogate(c)
                        && i + 1 < text.length()
                        && Character.isLowSurrogate(text.charAt(i + 1));
                if (!pair) {
                    throw Rejected.because(field, text, "holds half a surrogate pair, which is not text");
                }
                i++;
            }
            bytes += bytesInKey(c);
        }
        if (field.longest() > 0 && bytes > field.longest()) {
            throw Rejected.because(
                    field, text, "takes " + bytes + " bytes, but it is part of a key, which holds " + field.longest());
        }
        if (field.kind() == EventSchema.Kind.ENUM && !field.symbols().contains(text)) {
            throw Rejected.because(field, text, "is not one of " + String.join(", ", field.symbols()));
        }
        return StringData.fromString(text);
    }

    /** In UTF-8 within JSON text; the first half of a surrogate pair stands for both. */
    private static int bytesInKey(char c) {
        if (c < 0x20) {
            return 6;
        }
        if (c < 0x80) {
            return c == '"' || c == '\\' ? 2 : 1;
        }
        if (c < 0x800) {
            return 2;
        }
        return Character.isSurrogate(c) ? 4 : 3;
    }

    /** A number that can be added up as a decimal, as every engine does; zero has no sign there. */
    static double number(EventSchema.Field field, double value, String text) throws Rejected {
        if (Double.isNaN(value)) {
            throw Rejected.because(field, text, "is not " + field.kind().words);
        }
        if (Math.abs(value) >= LARGEST_DOUBLE) {
            throw Rejected.because(field, text, "does not fit: its magnitude must be below 1e15");
        }
        return value + 0.0;
    }

    /** Exact, or refused: a value with more decimals than the schema has is not rounded. */
    static DecimalData decimal(EventSchema.Field field, BigDecimal given, String text) throws Rejected {
        BigDecimal value = given.stripTrailingZeros();
        long whole = (long) value.precision() - value.scale();
        // Checked before any rescaling: 1e999999999 would be written out digit by digit.
        if (value.signum() != 0 && (whole > field.precision() - field.scale() || value.scale() > field.scale())) {
            String type = "decimal(" + field.precision() + "," + field.scale() + ")";
            throw Rejected.because(field, text, "does not fit into " + type);
        }
        return DecimalData.fromBigDecimal(value, field.precision(), field.scale());
    }

    static TimestampData instant(EventSchema.Field field, TimestampData instant, String text) throws Rejected {
        if (instant.getMillisecond() < Instants.EARLIEST || instant.getMillisecond() > Instants.LATEST) {
            throw Rejected.because(field, text, "is outside the years 1 to 9999");
        }
        return instant;
    }

    static int date(EventSchema.Field field, LocalDate day, String text) throws Rejected {
        if (day.getYear() < 1 || day.getYear() > 9999) {
            throw Rejected.because(field, text, "is outside the years 1 to 9999");
        }
        return (int) day.toEpochDay();
    }
}
