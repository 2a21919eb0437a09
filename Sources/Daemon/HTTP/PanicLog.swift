import CHTTPServer

#if canImport(Glibc)
    import Glibc
#endif

/// Says why libmicrohttpd ends the process: it aborts when it finds itself in a state that cannot be.
/// <https://www.gnu.org/software/libmicrohttpd/manual/libmicrohttpd.html#microhttpd_002dinit>
enum PanicLog {
    /// Process-wide, once.
    private static let isInstalled: Bool = {
        MHD_set_panic_func(lastWords, nil)
        return true
    }()

    static func install() { precondition(isInstalled, "installing cannot fail") }

    /// Straight to standard error: the log's own lock may be held by a thread that will never run again.
    private static let lastWords: MHD_PanicCallback = { _, file, line, reason in
        let place = file.map { String(cString: $0) } ?? "?"
        let words = reason.map { String(cString: $0) } ?? "no reason given"
        let text = Array("libmicrohttpd cannot go on: \(words) (\(place):\(line))\n".utf8)
        _ = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        abort()
    }
}
