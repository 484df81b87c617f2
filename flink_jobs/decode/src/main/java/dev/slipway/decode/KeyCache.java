package dev.slipway.decode;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** The most recently used answers by key, absent keys included, each for a limited time. Not thread-safe. */
final class KeyCache<V> {
    /** Where answers come from; null means that there is no such key. */
    interface Source<V, E extends Exception> {
        V fetch(String key) throws E;
    }

    private record Entry<V>(V value, long expiresAt) {}

    private final int most;
    private final long lifetimeNanos;
    private final LongSupplier nanoClock;
    private final Map<String, Entry<V>> entries = new LinkedHashMap<>(16, 0.75f, true);

    KeyCache(int most, long lifetimeNanos, LongSupplier nanoClock) {
        this.most = most;
        this.lifetimeNanos = lifetimeNanos;
        this.nanoClock = nanoClock;
    }

    /** The kept answer, or a fresh one; a failure of the source is passed on and nothing is kept. */
    <E extends Exception> V get(String key, Source<V, E> source) throws E {
        long now = nanoClock.getAsLong();
        Entry<V> kept = entries.get(key);
        if (kept != null && kept.expiresAt() - now > 0) {
            return kept.value();
        }
        V fresh = source.fetch(key);
        entries.put(key, new Entry<>(fresh, now + lifetimeNanos));
        if (entries.size() > most) {
            Iterator<String> leastRecent = entries.keySet().iterator();
            leastRecent.next();
            leastRecent.remove();
        }
        return fresh;
    }
}
