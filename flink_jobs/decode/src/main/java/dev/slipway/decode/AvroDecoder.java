package dev.slipway.decode;

import java.io.EOFException;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.avro.shaded.org.apache.avro.AvroRuntimeException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.util.Utf8;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * One Avro record in Confluent's frame (a zero byte, the id of the writer's schema in four, the record), read as the
 * contract's schema. A row has the schema's id behind the reason. Not thread-safe; each task has its own.
 */
final class AvroDecoder implements Decoder {
    /** Columns behind the reason. */
    static final int MORE = 1;

    private static final int FRAME = 5;
    private static final int LONGEST_NUMBER = 64;

    private final EventRules rules;
    private final Schema contract;
    private final WriterSchemas registry;
    private final Map<Integer, WriterSchema> writers = new HashMap<>();

    /** @throws ValidationException when the text is no Avro schema */
    AvroDecoder(EventRules rules, String schema, WriterSchemas registry) {
        this.rules = rules;
        this.registry = registry;
        try {
            this.contract = new Schema.Parser().parse(schema);
        } catch (AvroRuntimeException e) {
            throw new ValidationException("the event schema is no Avro: " + e.getMessage(), e);
        }
    }

    @Override
    public GenericRowData decode(byte[] value, long arrivedAtMillis) {
        GenericRowData row = rules.row();
        Integer id = null;
        String reason;
        try {
            id = schemaId(value);
            read(value, id, row);
            rules.check(row, arrivedAtMillis);
            row.setField(row.getArity() - MORE, id);
            return row;
        } catch (Rejected e) {
            reason = e.getMessage();
        }
        GenericRowData refused = rules.refused(row, reason);
        refused.setField(refused.getArity() - MORE, id);
        return refused;
    }

    private static int schemaId(byte[] value) throws Rejected {
        if (value == null) {
            throw new Rejected("null value");
        }
        if (value.length == 0) {
            throw new Rejected("empty value");
        }
        if (value[0] != 0) {
            throw new Rejected(String.format("no schema id: the first byte is 0x%02x, not 0x00", value[0]));
        }
        if (value.length < FRAME) {
            throw new Rejected("no schema id: the value ends after " + value.length + " bytes");
        }
        return ByteBuffer.wrap(value, 1, 4).getInt();
    }

    private void read(byte[] value, int id, GenericRowData row) throws Rejected {
        WriterSchema writer = writers.get(id);
        if (writer == null) {
            writer = new WriterSchema(registry.find(id), contract);
            writers.put(id, writer);
        }
        BoundedDecoder bytes = new BoundedDecoder(value, FRAME);
        GenericRecord record;
        try {
            record = writer.read(bytes);
        } catch (IOException | RuntimeException | StackOverflowError e) {
            // Arbitrary bytes, or another schema: whatever Avro stumbles over, the record is at fault.
            throw explained(value, id, writer, row, e);
        }
        if (bytes.left() > 0) {
            keepId(record.get(rules.id().index()), row);
            throw new Rejected("bytes after the avro record");
        }
        try {
            convert(record, writer, row);
        } catch (RuntimeException e) { // a pair of schemas that nobody thought of stops no job
            throw new Rejected(
                    "schema id " + Integer.toUnsignedString(id) + " can't be read as the contract's: " + e.getMessage());
        }
    }

    private void convert(GenericRecord record, WriterSchema writer, GenericRowData row) throws Rejected {
        Rejected first = null;
        for (EventSchema.Field field : rules.schema().fields()) {
            try {
                Object given = record.get(field.index());
                if (given != null) {
                    row.setField(field.index(), convert(field, given, writer));
                }
            } catch (Rejected e) { // the fields behind it may yield the id
                first = first == null ? e : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }

    private Object convert(EventSchema.Field field, Object given, WriterSchema writer) throws Rejected {
        return switch (field.kind()) {
            case STRING, ENUM -> text(field, given);
            case INT, LONG, BOOLEAN -> given;
            case DOUBLE -> EventRules.number(field, ((Number) given).doubleValue(), given.toString());
            case DECIMAL -> decimal(field, (ByteBuffer) given, writer.scale(field));
            case TIMESTAMP -> instant(field, (Long) given, writer.unit(field));
            case DATE -> EventRules.date(field, LocalDate.ofEpochDay((Integer) given), given.toString());
        };
    }

    private StringData text(EventSchema.Field field, Object given) throws Rejected {
        String text = given.toString();
        if (text.indexOf('\ufffd') >= 0 && given instanceof Utf8 && !isUtf8((Utf8) given)) {
            throw Rejected.because(field, text, "is not UTF-8");
        }
        return rules.text(field, text);
    }

    private static boolean isUtf8(Utf8 given) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(given.getBytes(), 0, given.getByteLength()));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        }
    }

    private static DecimalData decimal(EventSchema.Field field, ByteBuffer given, int scale) throws Rejected {
        if (given.remaining() == 0 || given.remaining() > LONGEST_NUMBER) {
            throw new Rejected(
                    field.name() + ": " + given.remaining() + " bytes are not " + field.kind().words);
        }
        byte[] unscaled = new byte[given.remaining()];
        given.duplicate().get(unscaled);
        BigDecimal value = new BigDecimal(new BigInteger(unscaled), scale);
        return EventRules.decimal(field, value, value.toString());
    }

    private static TimestampData instant(EventSchema.Field field, long given, String unit) throws Rejected {
        TimestampData instant =
                switch (unit) {
                    case "millis" -> Instants.ofMillis(given);
                    case "nanos" -> Instants.ofMicros(Math.floorDiv(given, 1_000L));
                    default -> Instants.ofMicros(given);
                };
        // A contract of milliseconds cuts what is finer, as it does in JSON.
        TimestampData kept = field.precision() == 3 ? Instants.ofMillis(instant.getMillisecond()) : instant;
        return EventRules.instant(field, kept, Long.toString(given));
    }

    /** What was wrong, found by reading the record once more as it was written. */
    private Rejected explained(byte[] value, int id, WriterSchema writer, GenericRowData row, Throwable failure) {
        String schema = "schema id " + Integer.toUnsignedString(id);
        GenericRecord record;
        BoundedDecoder bytes = new BoundedDecoder(value, FRAME);
        try {
            record = writer.readAsWritten(bytes);
        } catch (EOFException e) {
            return new Rejected("the value ends within a record of " + schema);
        } catch (IOException | RuntimeException | StackOverflowError e) {
            return new Rejected("not a record of " + schema);
        }
        if (bytes.left() > 0) {
            return new Rejected("bytes after the avro record");
        }
        Rejected found = null;
        for (EventSchema.Field field : rules.schema().fields()) {
            Schema.Field wanted = contract.getFields().get(field.index());
            Schema.Field written = writer.written(wanted);
            Object given = written == null ? null : record.get(written.pos());
            if (field == rules.id()) {
                keepId(given, row);
            }
            if (found == null) {
                found = unfit(field, wanted, written, given);
            }
        }
        return found != null ? found : new Rejected(schema + " can't be read as the contract's: " + failure.getMessage());
    }

    private static Rejected unfit(
            EventSchema.Field field, Schema.Field wanted, Schema.Field written, Object given) {
        if (written == null) {
            return wanted.hasDefaultValue() ? null : new Rejected("missing field " + field.name());
        }
        if (given == null) {
            return field.nullable() ? null : new Rejected(field.name() + ": null is not " + field.kind().words);
        }
        Schema type = WriterSchema.plain(written.schema());
        if (field.kind() == EventSchema.Kind.ENUM && type.getType() == Schema.Type.ENUM) {
            boolean known = field.symbols().contains(given.toString());
            String verdict = "is not one of " + String.join(", ", field.symbols());
            return known ? null : Rejected.because(field, given.toString(), verdict);
        }
        boolean same = type.getType() == WriterSchema.plain(wanted.schema()).getType();
        return same ? null : new Rejected(field.name() + ": " + WriterSchema.told(type) + " is not " + field.kind().words);
    }

    private void keepId(Object given, GenericRowData row) {
        try {
            if (given instanceof CharSequence) {
                row.setField(rules.id().index(), text(rules.id(), given));
            }
        } catch (Rejected e) {
            row.setField(rules.id().index(), null); // an id that is no id; the reason is another one already
        }
    }
}
