package dev.slipway.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.table.api.ValidationException;
import org.junit.jupiter.api.Test;

class LookUpTest {
    private final List<String> asked = new ArrayList<>();
    private final AtomicLong clock = new AtomicLong();
    private final KeyCache<String> cache = new KeyCache<>(2, 100, clock::get);

    private String get(String key) {
        return cache.get(key, absent -> {
            asked.add(absent);
            return absent.startsWith("no") ? null : absent.toUpperCase(java.util.Locale.ROOT);
        });
    }

    @Test
    void anAnswerIsKeptForItsTimeAndAnAbsentKeyToo() {
        assertEquals("A", get("a"));
        assertNull(get("none"));
        clock.set(99);
        assertEquals("A", get("a"));
        assertNull(get("none"));
        assertEquals(List.of("a", "none"), asked);
        clock.set(100);
        get("a");
        assertEquals(List.of("a", "none", "a"), asked);
    }

    @Test
    void theKeyThatWasUsedLeastRecentlyMakesRoom() {
        get("a");
        get("b");
        get("a");
        get("c");
        get("a");
        assertEquals(List.of("a", "b", "c"), asked);
        get("b");
        assertEquals(List.of("a", "b", "c", "b"), asked);
    }

    @Test
    void aFailureIsPassedOnAndNotKept() {
        assertThrows(IOException.class, () -> cache.get("a", key -> {
            throw new IOException("down");
        }));
        assertEquals("A", get("a"));
    }

    @Test
    void aDimensionThatCanNotBeAskedIsRefusedWhilePlanning() {
        Dimension good = Dimension.parse("{\"url\":\"u\",\"query\":\"q\",\"fields\":{\"seats\":\"int\"},\"rows\":1}");
        assertEquals("ROW<`seats` INT>", good.rowType().toString());
        assertThrows(
                ValidationException.class,
                () -> Dimension.parse("{\"url\":\"u\",\"query\":\"q\",\"fields\":{\"seats\":\"map\"},\"rows\":1}"));
        assertThrows(ValidationException.class, () -> Dimension.parse("{\"url\":\"u\"}"));
    }
}
