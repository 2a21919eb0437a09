import Forwarder
import Testing

@testable import Daemon

/// RFC 9110 section 12.5.
@Suite struct AcceptHeaderTests {
    /// What Prometheus 2 and 3 send.
    private static let prometheus2 =
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    private static let prometheus3 =
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

    @Test(arguments: [
        (prometheus2, true), (prometheus3, true), (nil, false), ("", false), ("*/*", false), ("text/plain", false),
        ("application/openmetrics-text", true), ("APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.2", true),
        ("application/openmetrics-text;q=0.4, text/plain;q=0.5", false),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.4", true),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.5", false),
        ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", false),
        ("application/openmetrics-text;q=0, */*", false), ("text/plain;q=0, */*;q=0.5", true),
        ("application/*;q=0.9, text/*;q=0.8", true), ("text/plain;version=1.0.0;q=0.9, application/*;q=0.1", true),
        ("image/png", false), ("application/openmetrics-text;q=nonsense, text/plain;q=0.1", false),
        (",,;;q=1,=;", false),
    ])
    func `the form that is wanted most goes out, and the text format where nothing is wanted that there is`(
        header: String?, isOpenMetrics: Bool
    ) {
        #expect((ExpositionPage.Form.wanted(by: AcceptHeader(header)) == .openMetrics) == isOpenMetrics)
    }

    @Test(arguments: [
        ("gzip", true), ("deflate, gzip;q=0.5", true), ("gzip;q=0", false), ("*", true), ("*, gzip;q=0", false),
        ("identity", false), (nil, false), ("GZIP ; q=1", true),
    ])
    func `gzip is taken where it is named, or all are, and not refused`(header: String?, isTaken: Bool) {
        #expect(AcceptHeader(header).takes(coding: "gzip") == isTaken)
    }

    @Test func `of a header without end the beginning is read`() {
        let many = Array(repeating: "a/b", count: 5000).joined(separator: ",")
        #expect(AcceptHeader(many).entries.count == 64)
    }
}
