package dev.slipway.decode;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.exc.StreamConstraintsException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * One JSON object in UTF-8 a record, read strictly in one pass: a wrong type is never coerced, a field that comes
 * twice is refused, fields the schema does not know are skipped. Not thread-safe; each task has its own.
 */
final class JsonDecoder implements Decoder {
    private static final Pattern NUMBER = Pattern.compile("-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?");
    private static final int LONGEST_NUMBER = 1_000;

    private final EventRules rules;
    private final EventSchema schema;
    private final JsonFactory json =
            JsonFactory.builder().disable(JsonFactory.Feature.INTERN_FIELD_NAMES).build();
    private final boolean[] seen;

    /** @throws ValidationException when a field's default is no value of the field */
    JsonDecoder(EventRules rules) {
        this.rules = rules;
        this.schema = rules.schema();
        this.seen = new boolean[schema.fields().size()];
        checkFallbacks();
    }

    private void checkFallbacks() {
        for (EventSchema.Field field : schema.fields()) {
            if (field.fallback() != null) {
                try {
                    fallback(field);
                } catch (IOException | Rejected e) {
                    throw new ValidationException("the default of field " + field.name() + ": " + e.getMessage(), e);
                }
            }
        }
    }

    @Override
    public GenericRowData decode(byte[] value, long arrivedAtMillis) {
        GenericRowData row = rules.row();
        String reason;
        try {
            read(value, arrivedAtMillis, row);
            return row;
        } catch (Rejected e) {
            reason = e.getMessage();
        } catch (StreamConstraintsException e) {
            reason = "json beyond the limits: nested too deeply, or a number or text that is too long";
        } catch (IOException | RuntimeException e) {
            // The parser meets arbitrary bytes here; whatever it stumbles over, the record is at fault.
            reason = "not json";
        }
        return rules.refused(row, reason);
    }

    private void read(byte[] value, long arrivedAtMillis, GenericRowData row) throws IOException, Rejected {
        refuseOtherEncodings(value);
        Rejected first = null;
        try (JsonParser parser = json.createParser(value)) {
            JsonToken start = parser.nextToken();
            if (start == null) {
                throw new Rejected("empty value");
            }
            if (start != JsonToken.START_OBJECT) {
                readToTheEnd(parser);
                throw new Rejected("not a json object");
            }
            Arrays.fill(seen, false);
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                parser.nextToken();
                EventSchema.Field field = schema.find(name);
                if (field == null) {
                    parser.skipChildren();
                    continue;
                }
                // Reading goes on after a wrong field: the rest may be no JSON at all, or yield the id.
                try {
                    take(field, parser, row);
                } catch (Rejected e) {
                    first = first == null ? e : first;
                    parser.skipChildren();
                }
            }
            if (parser.currentToken() != JsonToken.END_OBJECT) {
                throw new Rejected("not json");
            }
            refuseWhatFollows(parser);
        }
        if (first != null) {
            throw first;
        }
        complete(row);
        rules.check(row, arrivedAtMillis);
    }

    /** The parser would guess UTF-16 and UTF-32 from zeros and marks; a record is UTF-8 without a mark. */
    private static void refuseOtherEncodings(byte[] value) throws Rejected {
        if (value == null) {
            throw new Rejected("null value");
        }
        if (value.length >= 3 && (value[0] & 0xff) == 0xef && (value[1] & 0xff) == 0xbb && (value[2] & 0xff) == 0xbf) {
            throw new Rejected("byte order mark before the json");
        }
        if (value.length >= 2 && (value[0] == 0 || value[1] == 0 || (value[0] & 0xfe) == 0xfe)) {
            throw new Rejected("not json");
        }
    }

    private static void readToTheEnd(JsonParser parser) throws IOException {
        while (parser.nextToken() != null) {
            parser.skipChildren();
        }
    }

    private static void refuseWhatFollows(JsonParser parser) throws Rejected {
        JsonToken next;
        try {
            next = parser.nextToken();
        } catch (IOException e) {
            throw new Rejected("bytes after the json object");
        }
        if (next != null) {
            throw new Rejected("bytes after the json object");
        }
    }

    private void take(EventSchema.Field field, JsonParser parser, GenericRowData row) throws IOException, Rejected {
        if (seen[field.index()]) {
            throw new Rejected("duplicate field " + field.name());
        }
        seen[field.index()] = true;
        if (parser.currentToken() == JsonToken.VALUE_NULL) {
            if (!field.nullable()) {
                throw new Rejected(field.name() + ": null is not " + field.kind().words);
            }
            return;
        }
        row.setField(field.index(), convert(field, parser));
    }

    private void complete(GenericRowData row) throws IOException, Rejected {
        for (EventSchema.Field field : schema.fields()) {
            if (seen[field.index()]) {
                continue;
            }
            if (field.fallback() != null) {
                row.setField(field.index(), fallback(field));
            } else if (!field.nullable()) {
                throw new Rejected("missing field " + field.name());
            }
        }
    }

    /** A default is written as Avro has it: a decimal as its bytes, a date as days since 1970. */
    private Object fallback(EventSchema.Field field) throws IOException, Rejected {
        JsonNode given = field.fallback();
        if (field.kind() == EventSchema.Kind.DECIMAL && given.isTextual() && !given.asText().isEmpty()) {
            byte[] unscaled = given.asText().getBytes(StandardCharsets.ISO_8859_1);
            return EventRules.decimal(
                    field, new BigDecimal(new BigInteger(unscaled), field.scale()), given.asText());
        }
        if (field.kind() == EventSchema.Kind.DATE && given.isInt()) {
            return EventRules.date(field, LocalDate.ofEpochDay(given.asInt()), given.asText());
        }
        try (JsonParser parser = given.traverse()) {
            parser.nextToken();
            return convert(field, parser);
        }
    }

    private Object convert(EventSchema.Field field, JsonParser parser) throws IOException, Rejected {
        JsonToken token = parser.currentToken();
        if (token == JsonToken.START_OBJECT || token == JsonToken.START_ARRAY) {
            String what = token == JsonToken.START_OBJECT ? "an object" : "an array";
            throw new Rejected(field.name() + ": " + what + " is not " + field.kind().words);
        }
        return switch (field.kind()) {
            case STRING, ENUM -> text(field, parser, token);
            case INT -> (int) integer(field, parser, token, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LONG -> integer(field, parser, token, Long.MIN_VALUE, Long.MAX_VALUE);
            case DOUBLE -> number(field, parser, token);
            case DECIMAL -> decimal(field, parser, token);
            case BOOLEAN -> {
                if (!token.isBoolean()) {
                    throw wrong(field, parser);
                }
                yield parser.getBooleanValue();
            }
            case TIMESTAMP -> instant(field, parser, token);
            case DATE -> date(field, parser, token);
        };
    }

    private static Rejected wrong(EventSchema.Field field, JsonParser parser) throws IOException {
        return Rejected.because(field, parser.getText(), "is not " + field.kind().words);
    }

    private StringData text(EventSchema.Field field, JsonParser parser, JsonToken token) throws IOException, Rejected {
        if (token != JsonToken.VALUE_STRING) {
            throw wrong(field, parser);
        }
        return rules.text(field, parser.getText());
    }

    private static long integer(EventSchema.Field field, JsonParser parser, JsonToken token, long least, long most)
            throws IOException, Rejected {
        if (token != JsonToken.VALUE_NUMBER_INT) {
            throw wrong(field, parser);
        }
        if (parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER) {
            long value = parser.getLongValue();
            if (value >= least && value <= most) {
                return value;
            }
        }
        String width = most == Integer.MAX_VALUE ? "32" : "64";
        throw Rejected.because(field, parser.getText(), "does not fit into " + width + " bits");
    }

    private static double number(EventSchema.Field field, JsonParser parser, JsonToken token)
            throws IOException, Rejected {
        if (!token.isNumeric()) {
            throw wrong(field, parser);
        }
        return EventRules.number(field, parser.getDoubleValue(), parser.getText());
    }

    /** A number, or its digits as text, which is how senders keep them from becoming a double on their way. */
    private static DecimalData decimal(EventSchema.Field field, JsonParser parser, JsonToken token)
            throws IOException, Rejected {
        if (token.isNumeric()) {
            return EventRules.decimal(field, parser.getDecimalValue(), parser.getText());
        }
        String text = parser.getText();
        if (token != JsonToken.VALUE_STRING || text.length() > LONGEST_NUMBER || !NUMBER.matcher(text).matches()) {
            throw wrong(field, parser);
        }
        try {
            return EventRules.decimal(field, new BigDecimal(text), text);
        } catch (NumberFormatException e) { // an exponent beyond 32 bits
            throw wrong(field, parser);
        }
    }

    private static TimestampData instant(EventSchema.Field field, JsonParser parser, JsonToken token)
            throws IOException, Rejected {
        TimestampData instant;
        if (token == JsonToken.VALUE_NUMBER_INT) {
            long epoch = integer(field, parser, token, Long.MIN_VALUE, Long.MAX_VALUE);
            instant = field.precision() == 3 ? Instants.ofMillis(epoch) : Instants.ofMicros(epoch);
        } else if (token == JsonToken.VALUE_STRING) {
            try {
                instant = Instants.parse(parser.getText(), field.precision());
            } catch (DateTimeException | ArithmeticException e) {
                throw wrong(field, parser);
            }
        } else {
            throw wrong(field, parser);
        }
        return EventRules.instant(field, instant, parser.getText());
    }

    private static int date(EventSchema.Field field, JsonParser parser, JsonToken token) throws IOException, Rejected {
        if (token != JsonToken.VALUE_STRING) {
            throw wrong(field, parser);
        }
        try {
            return EventRules.date(field, LocalDate.parse(parser.getText()), parser.getText());
        } catch (DateTimeException e) {
            throw wrong(field, parser);
        }
    }
}
