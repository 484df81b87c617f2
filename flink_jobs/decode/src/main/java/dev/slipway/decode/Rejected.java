package dev.slipway.decode;

/** Why a value is no event; the message is the reason that people read. */
final class Rejected extends Exception {
    private static final long serialVersionUID = 1L;
    private static final int LONGEST_QUOTE = 60;

    Rejected(String reason) {
        super(reason, null, false, false); // without a stack trace: this is an answer, not a failure
    }

    /** "dep_delay: 'x' is not an integer", or without the value when it is personal. */
    static Rejected because(EventSchema.Field field, String text, String verdict) {
        return new Rejected(field.name() + ": " + (field.pii() ? "its value" : quoted(text)) + " " + verdict);
    }

    /** The text as it can stand in a log, a table and a page: short, and without control characters. */
    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("'");
        int end = Math.min(text.length(), LONGEST_QUOTE);
        for (int i = 0; i < end; i++) {
            char c = text.charAt(i);
            boolean whole = !Character.isSurrogate(c);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                out.append(c).append(text.charAt(++i));
            } else if (whole && !Character.isISOControl(c)) {
                out.append(c);
            } else {
                out.append(String.format("\\u%04x", (int) c));
            }
        }
        return out.append(end < text.length() ? "...'" : "'").toString();
    }
}
