package dev.slipway.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Random;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonDecoderTest {
    private static final String SCHEMA =
            """
            {"type": "record", "name": "Status", "fields": [
              {"name": "event_id", "type": "string"},
              {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["D", "A", "X"]}},
              {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
              {"name": "dep_delay", "type": ["null", "int"], "default": null},
              {"name": "distance", "type": ["null", "long"]},
              {"name": "share", "type": ["null", "double"]},
              {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}]},
              {"name": "flight_date", "type": ["null", {"type": "int", "logicalType": "date"}]},
              {"name": "passenger", "type": ["null", "string"], "pii": true},
              {"name": "gate", "type": "string", "default": "none"},
              {"name": "diverted", "type": ["null", "boolean"]}
            ]}""";
    private static final int REASON = 11;
    private static final long ARRIVED = Instant.parse("2013-03-08T12:00:00Z").toEpochMilli();

    private final JsonDecoder decoder = decoder(SCHEMA);

    private static JsonDecoder decoder(String schema) {
        return new JsonDecoder(new EventRules(EventSchema.parse(schema), "event_id", "event_time", 86_400_000, 0));
    }

    private GenericRowData decode(String value) {
        return decoder.decode(value.getBytes(StandardCharsets.UTF_8), ARRIVED);
    }

    private static String event(String more) {
        return "{\"event_id\": \"e1\", \"kind\": \"D\", \"event_time\": \"2013-03-08T11:00:00Z\"" + more + "}";
    }

    private static String reason(GenericRowData row) {
        return row.isNullAt(REASON) ? null : row.getString(REASON).toString();
    }

    @Test
    void aGoodValueBecomesATypedRow() {
        GenericRowData row = decode(event(", \"dep_delay\": -3, \"distance\": 5000000000, \"share\": 0.5,"
                + " \"price\": 12.5, \"flight_date\": \"2013-03-08\", \"diverted\": false, \"unknown\": [{}]"));
        assertNull(reason(row));
        assertEquals("e1", row.getString(0).toString());
        assertEquals(ARRIVED - 3_600_000, row.getTimestamp(2, 3).getMillisecond());
        assertEquals(-3, row.getInt(3));
        assertEquals(5_000_000_000L, row.getLong(4));
        assertEquals(0.5, row.getDouble(5));
        assertEquals("12.50", row.getDecimal(6, 6, 2).toString());
        assertEquals(15_772, row.getInt(7));
        assertTrue(row.isNullAt(8));
        assertEquals("none", row.getString(9).toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2013-03-08T11:00:00Z|0",
                "2013-03-08T06:00:00-05:00|0",
                "2013-03-08T11:00:00.250Z|250",
                "2013-03-08T11:00Z|0"
            })
    void anInstantIsReadInAnyIsoForm(String text, long more) {
        GenericRowData row = decode("{\"event_id\":\"e\",\"kind\":\"A\",\"event_time\":\"" + text + "\"}");
        assertNull(reason(row));
        assertEquals(ARRIVED - 3_600_000 + more, row.getTimestamp(2, 3).getMillisecond());
    }

    @Test
    void anInstantMayBeEpochMilliseconds() {
        GenericRowData row = decode("{\"event_id\":\"e\",\"kind\":\"A\",\"event_time\":" + ARRIVED + "}");
        assertNull(reason(row));
        assertEquals(ARRIVED, row.getTimestamp(2, 3).getMillisecond());
    }

    @Test
    void microsecondsAreKeptWhereTheSchemaHasThem() {
        JsonDecoder fine = decoder(SCHEMA.replace("timestamp-millis", "timestamp-micros"));
        for (String value : new String[] {"\"1969-12-31T23:59:59.999999Z\"", "-1"}) {
            String event = "{\"event_id\":\"e\",\"kind\":\"A\",\"event_time\":" + value + "}";
            GenericRowData row = fine.decode(event.getBytes(StandardCharsets.UTF_8), ARRIVED);
            assertNull(reason(row));
            assertEquals(-1, row.getTimestamp(2, 6).getMillisecond());
            assertEquals(999_000, row.getTimestamp(2, 6).getNanoOfMillisecond());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``|empty value",
                "  |empty value",
                "not json|not json",
                "{\"event_id\": \"e1\"|not json",
                "[1, 2]|not a json object",
                "\"text\"|not a json object",
                "null|not a json object",
                "[1, |not json",
                "{}|missing field event_id",
                "{\"event_id\":\"e\",\"kind\":\"D\"}|missing field event_time",
                "{\"event_id\":null}|event_id: null is not a string",
                "{\"event_id\":\"\"}|event_id: '' is no identity",
                "{\"event_id\":7}|event_id: '7' is not a string",
                "{\"event_id\":[1]}|event_id: an array is not a string",
                "{\"kind\":\"Q\"}|kind: 'Q' is not one of A, D, X",
                "{\"dep_delay\":\"x\"}|dep_delay: 'x' is not an integer",
                "{\"dep_delay\":1.5}|dep_delay: '1.5' is not an integer",
                "{\"dep_delay\":{}}|dep_delay: an object is not an integer",
                "{\"dep_delay\":99999999999}|dep_delay: '99999999999' does not fit into 32 bits",
                "{\"distance\":99999999999999999999}|distance: '99999999999999999999' does not fit into 64 bits",
                "{\"share\":1e999}|share: '1e999' does not fit: its magnitude must be below 1e15",
                "{\"share\":-1e15}|share: '-1e15' does not fit: its magnitude must be below 1e15",
                "{\"share\":NaN}|not json",
                "{\"price\":1.234}|price: '1.234' does not fit into decimal(6,2)",
                "{\"price\":1e999999999}|price: '1e999999999' does not fit into decimal(6,2)",
                "{\"diverted\":\"yes\"}|diverted: 'yes' is not true or false",
                "{\"flight_date\":\"2013-02-30\"}|flight_date: '2013-02-30' is not a date (yyyy-mm-dd)",
                "{\"event_time\":\"2013-02-30T00:00:00Z\"}|event_time: '2013-02-30T00:00:00Z' is not an instant in"
                        + " ISO 8601 with its offset, or its epoch as an integer",
                "{\"event_time\":9223372036854775807}|event_time: '9223372036854775807' is outside the years 1 to 9999",
                "{\"event_time\":\"+999999999-12-31T23:59:59Z\"}|event_time: '+999999999-12-31T23:59:59Z' is not an instant"
                        + " in ISO 8601 with its offset, or its epoch as an integer",
                "{\"passenger\":5}|passenger: its value is not a string",
                "{\"event_id\":\"e\",\"event_id\":\"e\"}|duplicate field event_id",
                "{\"event_id\":\"a\\u0000b\"}|event_id: 'a\\u0000b' holds a NUL character, which no table can store",
                "{\"event_id\":\"\\ud800x\"}|event_id: '\\ud800x' holds half a surrogate pair, which is not text",
            })
    void aBadValueBecomesAPreciseReason(String value, String expected) {
        assertEquals(expected, reason(decode(value == null ? "" : value)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"12.5|12.50", "\"12.50\"|12.50", "\"-1.5e1\"|-15.00", "12.500|12.50", "0e99|0.00", "\"0.00000\"|0.00"})
    void aDecimalIsANumberOrItsDigitsAndExact(String written, String expected) {
        GenericRowData row = decode(event(", \"price\": " + written));
        assertNull(reason(row));
        assertEquals(expected, row.getDecimal(6, 6, 2).toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "1.005|price: '1.005' does not fit into decimal(6,2)",
                "\"12345.67\"|price: '12345.67' does not fit into decimal(6,2)",
                "0.1e-400|price: '0.1e-400' does not fit into decimal(6,2)",
                "\"\"|price: '' is not a number",
                "\" 1\"|price: ' 1' is not a number",
                "\"1,5\"|price: '1,5' is not a number",
                "\"\u0661\"|price: '\u0661' is not a number",
                "\"0x1\"|price: '0x1' is not a number",
                "\"1e99999999999\"|price: '1e99999999999' is not a number",
                "true|price: 'true' is not a number",
            })
    void aDecimalIsNeverRounded(String written, String expected) {
        assertEquals(expected, reason(decode(event(", \"price\": " + written))));
    }

    @Test
    void zeroHasNoSignAndTheSmallestIsZero() {
        assertEquals(0, Double.compare(0.0, decode(event(", \"share\": -0.0")).getDouble(5)));
        assertEquals(0, Double.compare(0.0, decode(event(", \"share\": -0.1e-400")).getDouble(5)));
    }

    @Test
    void textThatBecomesAKeyIsBoundedByTheBytesItTakesThere() {
        JsonDecoder bounded = decoder(SCHEMA.replace(
                "\"name\": \"gate\", \"type\": \"string\"", "\"name\": \"gate\", \"type\": \"string\", \"at_most_bytes\": 12"));
        for (String good : new String[] {"x".repeat(12), "\u00e9".repeat(6), "\ud83d\ude00".repeat(3), "\\\"".repeat(6)}) {
            assertNull(reason(bounded.decode(event(", \"gate\": \"" + good + "\"").getBytes(StandardCharsets.UTF_8), ARRIVED)));
        }
        assertEquals(
                "gate: '\u0001\u0001\u0001' takes 18 bytes, but it is part of a key, which holds 12",
                reason(bounded.decode(
                                event(", \"gate\": \"\\u0001\\u0001\\u0001\"").getBytes(StandardCharsets.UTF_8), ARRIVED))
                        .replace("\\u0001", "\u0001"));
    }

    @Test
    void defaultsAreWrittenAsAvroHasThem() {
        JsonDecoder defaults = decoder(SCHEMA.replace(
                        "\"precision\": 6, \"scale\": 2}]",
                        "\"precision\": 6, \"scale\": 2}], \"default\": \"\\u0001\\u0000\"")
                .replace("\"logicalType\": \"date\"}]", "\"logicalType\": \"date\"}], \"default\": 15772"));
        GenericRowData row = defaults.decode(event("").getBytes(StandardCharsets.UTF_8), ARRIVED);
        assertEquals("2.56", row.getDecimal(6, 6, 2).toString());
        assertEquals(15_772, row.getInt(7));
    }

    @Test
    void whatFollowsTheObjectIsRefused() {
        assertEquals("bytes after the json object", reason(decode(event("") + "{}")));
        assertEquals("bytes after the json object", reason(decode(event("") + " }")));
        assertNull(reason(decode(event("") + " \n")));
    }

    @Test
    void otherEncodingsAreRefused() {
        assertEquals("byte order mark before the json", reason(decode("\ufeff" + event(""))));
        for (var charset : new java.nio.charset.Charset[] {
            StandardCharsets.UTF_16, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE
        }) {
            assertEquals("not json", reason(decoder.decode(event("").getBytes(charset), ARRIVED)));
        }
    }

    @Test
    void limitsOfTheParserAreReasonsToo() {
        String limits = "json beyond the limits: nested too deeply, or a number or text that is too long";
        assertEquals(limits, reason(decode(event(", \"deep\": " + "[".repeat(5_000)))));
        assertEquals(limits, reason(decode(event(", \"dep_delay\": " + "9".repeat(5_000)))));
    }

    @Test
    void anEventMayRunAheadOfItsArrivalUpToTheBoundAndNoFurther() {
        String head = "{\"event_id\":\"e\",\"kind\":\"D\",\"event_time\":";
        assertNull(reason(decode(head + (ARRIVED + 86_400_000) + "}")));
        assertEquals(
                "event_time is more than 24 h ahead of its arrival",
                reason(decode(head + (ARRIVED + 86_400_001) + "}")));
    }

    @Test
    void aRejectedRowIsEmptyButForTheIdItYields() {
        GenericRowData wrong = decode(event(", \"dep_delay\": \"x\""));
        assertEquals("e1", wrong.getString(0).toString());
        for (int i = 1; i < REASON; i++) {
            assertTrue(wrong.isNullAt(i), "field " + i);
        }
        GenericRowData idLast = decode("{\"kind\": \"Q\", \"event_id\": \"e9\"}");
        assertEquals("e9", idLast.getString(0).toString());
        GenericRowData torn = decode("{\"event_id\": \"e1\", \"kind\": ");
        assertEquals("not json", reason(torn));
        assertEquals("e1", torn.getString(0).toString());
        assertTrue(decode("{\"event_id\": 5}").isNullAt(0));
        assertTrue(decoder.decode(null, ARRIVED).isNullAt(0));
        assertEquals("null value", reason(decoder.decode(null, ARRIVED)));
    }

    @Test
    void aReasonIsShortAndSafeToShow() {
        assertEquals(
                "dep_delay: '" + "y".repeat(60) + "...' is not an integer",
                reason(decode("{\"dep_delay\": \"" + "y".repeat(500) + "\"}")));
        assertEquals(
                "dep_delay: '\\u001b[31m' is not an integer", reason(decode("{\"dep_delay\": \"\\u001b[31m\"}")));
    }

    @Test
    void noBytesWhateverMakeItThrow() {
        Random random = new Random(7);
        byte[] good = event(", \"dep_delay\": 5, \"share\": 1.5, \"passenger\": \"J\u00f6rg \ud83d\ude00\"")
                .getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 50_000; i++) {
            byte[] value = Arrays.copyOf(good, random.nextInt(8) == 0 ? random.nextInt(good.length) : good.length);
            for (int flips = random.nextInt(4); flips >= 0 && value.length > 0; flips--) {
                value[random.nextInt(value.length)] = (byte) random.nextInt(256);
            }
            GenericRowData row = decoder.decode(value, ARRIVED);
            assertTrue(row.isNullAt(REASON) ? !row.isNullAt(0) : row.isNullAt(1));
        }
    }

    @Test
    void aSchemaThatCanNotBeDecodedIsRefusedWhilePlanning() {
        String map = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"m\",\"type\":{\"type\":\"map\"}}]}";
        assertTrue(assertThrows(ValidationException.class, () -> EventSchema.parse(map))
                .getMessage()
                .startsWith("field m has Avro type"));
        String wrongDefault = SCHEMA.replace("\"default\": \"none\"", "\"default\": 5");
        assertThrows(ValidationException.class, () -> decoder(wrongDefault));
    }
}
