#if canImport(Glibc)
    import Glibc
#endif

/// Times as texts, from nanoseconds since the epoch.
enum UTC {
    /// RFC 3339: `2026-01-31T23:59:59Z`.
    static func text(_ wall: Int64) -> String { format("%Y-%m-%dT%H:%M:%SZ", wall) }
    /// For the name of a file: `20260131T235959Z`.
    static func name(_ wall: Int64) -> String { format("%Y%m%dT%H%M%SZ", wall) }

    private static func format(_ pattern: String, _ wall: Int64) -> String {
        var seconds = time_t(wall / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, pattern, &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
