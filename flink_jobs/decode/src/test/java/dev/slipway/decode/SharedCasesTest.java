package dev.slipway.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;

/** The table of cases that the producer library's rules are held to as well. */
class SharedCasesTest {
    private static final Path TABLE = Path.of("..", "..", "tests", "cases", "decoder.json");

    @Test
    void everyCaseOfTheSharedTableHasItsReason() throws IOException {
        JsonNode table = new ObjectMapper().readTree(Files.readAllBytes(TABLE));
        JsonDecoder decoder =
                new JsonDecoder(
                        new EventRules(
                                EventSchema.parse(table.get("schema").toString()),
                                table.get("id").asText(),
                                table.get("time").asText(),
                                table.get("ahead_at_most_millis").asLong(),
                                0));
        int reason = table.get("schema").get("fields").size();
        assertTrue(table.get("cases").size() > 300);
        for (JsonNode one : table.get("cases")) {
            GenericRowData row =
                    decoder.decode(value(one), table.get("arrived_at_millis").asLong());
            assertEquals(
                    one.get("reason").isNull() ? null : one.get("reason").asText(),
                    row.isNullAt(reason) ? null : row.getString(reason).toString(),
                    one.toString());
        }
    }

    /** A case is given as a text, as hexadecimal bytes, or as parts, some of them to be repeated. */
    private static byte[] value(JsonNode one) {
        if (one.has("hex")) {
            return HexFormat.of().parseHex(one.get("hex").asText());
        }
        if (one.has("value")) {
            return one.get("value").asText().getBytes(StandardCharsets.UTF_8);
        }
        StringBuilder text = new StringBuilder();
        for (JsonNode part : one.get("parts")) {
            text.append(part.isArray() ? part.get(0).asText().repeat(part.get(1).asInt()) : part.asText());
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }
}
