/// The tables that `holdfast sql` knows, in words.
enum SqlTables {
    struct Table {
        var name: String
        /// What one row is.
        var row: String
        var columns: [(name: String, text: String)]
        /// Not in `SELECT *`.
        var hidden: [(name: String, text: String)] = []

        var text: String {
            var text = "\(name): \(row)\n" + TextTable.pairs(columns)
            if !hidden.isEmpty { text += "  and, when asked for by name:\n" + TextTable.pairs(hidden) }
            return text
        }
    }

    static var text: String { all.map(\.text).joined(separator: "\n") + "\n" + functions }

    private static var functions: String {
        "functions\n"
            + TextTable.pairs([
                ("utc(time)", "a time in nanoseconds as text"),
                ("ts(text)", "a text as a time: 2026-01-31T12:00:00Z, 2026-01-31 12:00, 2026-01-31"),
                ("ago(text)", "the time so long ago: 90s, 10m, 24h, 7d"),
            ])
    }

    private static let identity: [(name: String, text: String)] = [
        ("temporality", "delta or cumulative"), ("monotonic", "1 where it only rises"),
        ("resource", "who measured, as JSON"), ("scope", "with which library, as JSON"),
    ]
    private static let match = (name: "match", text: "= 'name{label=\"x\"}': a selector; points('…') is short for it")
    private static let at = (name: "at", text: "its time as text, UTC")
    private static let places: [(name: String, text: String)] = [
        ("first_sequence", "from this sequence"), ("first_ordinal", "and this point of it"),
        ("end_sequence", "up to, not including, this sequence"), ("end_ordinal", "and this point of it"),
    ]
    private static let point: [(name: String, text: String)] = [
        ("name", "of the metric; the measurement, for line protocol"), ("field", "of line protocol, else NULL"),
        ("labels", "but the name, as JSON: labels ->> 'instance'"),
    ]
    private static let value: [(name: String, text: String)] = [
        ("value", "a number or a text; histograms and summaries as JSON; NaN is NULL"),
        ("kind", "float, int, uint, bool, string, histogram, exponential_histogram or summary"),
    ]

    static let all: [Table] = [
        Table(
            name: "points", row: "a stored point, in the order of acceptance",
            columns: [
                ("sequence", "of the commit that took it in"), ("ordinal", "its place in that commit"), at,
                ("time", "as measured by the sender"),
            ] + point + value,
            hidden: [
                match, ("position", "counted from the first point that the spool accepted"),
                ("bits", "the value's 64 bits, exactly"), ("stale", "1 for Prometheus' stale marker"),
                ("start_time", "from when on it counts, or NULL"), ("unit", "of the series"),
                ("type", "counter, gauge, …"),
            ] + identity + [
                ("kept_back_by", "ids of rules that keep its series back, or NULL"),
                ("rules_asked", "ids of all rules that are known, or NULL"),
            ]),
        Table(
            name: "series", row: "a series in a stored row",
            columns: [
                ("sequence", "of the row's first commit"), ("last_sequence", "of its last one: rows are merged"),
            ] + point + [
                ("type", "counter, gauge, …"), ("unit", "or NULL"), ("points", "of it in this row"),
                ("first_time", "the earliest of them"), ("last_time", "the latest of them"),
            ], hidden: [match] + identity),
        Table(
            name: "batches", row: "a stored row, of a commit or of several that were merged",
            columns: [
                ("sequence", "of its first commit"), ("last_sequence", "of its last one"), at,
                ("received_time", "when it was committed"), ("points", "in it"), ("bytes", "of its block"),
                ("first_time", "the earliest of its points' times"), ("last_time", "the latest of them"),
                ("position", "of its first point"),
            ]),
        Table(
            name: "receipts", row: "an accepted request",
            columns: [
                ("id", "of the receipt"), at, ("received_time", "when it was accepted"),
                ("sequence", "of the commit it went into"), ("first_ordinal", "of its first point there"),
                ("points", "that it brought"), ("request_id", "X-Request-Id"),
                ("request_part", "0, 1, … where it became several commits"), ("source", "what kind of request"),
                ("peer", "who sent it"), ("body_bytes", "as it came"), ("refused_points", "set aside as invalid"),
                ("exemplars", "that it brought"), ("trace_parent", "of its trace, or NULL"),
            ]),
        Table(
            name: "refusals", row: "what of a request was set aside as invalid",
            columns: [
                ("id", "of the refusal"), ("receipt_id", "of its request"), at, ("received_time", "when"),
                ("request_id", "of its request"), ("reason", "in words"), ("points", "that it counts for"),
                ("line", "of the body, or NULL"), ("detail", "what was wrong"),
            ]),
        Table(
            name: "deliveries", row: "neighbouring points that were settled alike",
            columns: [
                ("id", "of the row"), ("backend", "that has them"), at, ("settled_time", "of the last of them"),
                ("first_attempt_time", "of the first of them"),
            ] + places + [
                ("points", "among these places"), ("outcome", "confirmed, assumed or excluded"),
                ("reason", "of what was excluded; route ID: the rules that were gone by"), ("status", "the answer's"),
                ("attempts", "at most"),
            ]),
        Table(
            name: "routes", row: "rules that deliveries went by",
            columns: [
                ("id", "deliveries.reason is route and this"), at, ("first_time", "when they were first gone by"),
                ("rules", "as JSON"),
            ]),
        Table(
            name: "pending", row: "a run of points that a backend is still owed",
            columns: [("backend", "that is owed"), ("lane", "live or backlog")] + places + [
                ("first_position", "of the first of them: points.position compares with it"),
                ("end_position", "behind the last of them"), ("points", "in it"),
            ]),
        Table(
            name: "dead_letters", row: "a point that a backend refused",
            columns: [
                ("id", "holdfast dead show TENANT/ID"), ("backend", "that refused it"), at,
                ("buried_time", "when it was given up"), ("sequence", "of its place"), ("ordinal", "of its place"),
                ("time", "as measured by the sender"),
            ] + point + value + [
                ("reason", "refused, stuck, too_large, …"), ("status", "the answer's"), ("excerpt", "of the answer"),
                ("attempts", "that were made"), ("first_attempt_time", "of the first"),
                ("request_id", "that brought it"),
            ]),
        Table(
            name: "losses", row: "points that ended without delivery, and why",
            columns: [
                ("id", "of the row"), ("backend", "that does not get them; NULL: none does"), at,
                ("lost_time", "when"), ("reason", "quota, age, purge, corruption, …"),
            ] + places + [
                ("first_time", "the earliest of their times"), ("last_time", "the latest of them"),
                ("points", "that were lost; NULL: nobody knows"), ("detail", "more of it"),
            ]),
        Table(
            name: "streams", row: "a stream of lines that a client named",
            columns: [
                ("name", "its ID"), ("committed_lines", "of it, as the client counts them"), at,
                ("changed_time", "when the last of them were committed"), ("created_time", "when the first were"),
            ]),
        Table(
            name: "request_keys", row: "a request that came with an Idempotency-Key",
            columns: [
                ("id", "rises: the lowest goes first"), at, ("noted_time", "when its first part was committed"),
                ("is_complete", "0: it was cut off so far"), ("committed_lines", "of its body, if it is lines"),
                ("stored_points", "that it brought"), ("refused_points", "set aside as invalid"),
                ("dropped_points", "that a full spool dropped, as its policy says"),
            ]),
        Table(
            name: "events", row: "something that happened to the spool",
            columns: [("id", "of the event"), at, ("time", "when"), ("kind", "in a word"), ("detail", "more of it")]),
        Table(
            name: "backends",
            row: "a backend with its books: owed = delivered + assumed + pending + dead + lost + excluded",
            columns: [
                ("name", "its key in the config"), ("type", "of it"), ("attached", "0: no longer in the config"),
                ("owed", "points that were accepted"), ("delivered", "confirmed"),
                ("assumed", "said to be there already"), ("pending", "still to be sent"), ("dead", "refused"),
                ("lost", "ended without delivery"), ("excluded", "not for this backend"),
                ("first_sequence", "from which on it is owed"),
            ]),
    ]
}
