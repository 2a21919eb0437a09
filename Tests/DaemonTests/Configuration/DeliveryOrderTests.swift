import Forwarder
import Testing

@testable import Daemon

/// `order: fresh_first` of a backend.
@Suite struct DeliveryOrderTests {
    private func config(_ type: String, _ keys: String) -> String {
        """
        backends:
          central:
            type: \(type)
            url: http://127.0.0.1:9090/api/v1/write
            \(keys)

        """
    }

    private func order(_ type: String, _ keys: String) throws -> DeliveryOrder {
        try #require(try ConfigurationTests.parse(config(type, keys)).routes.first).order
    }

    @Test func `a backend gets its points oldest first unless the config says otherwise`() throws {
        #expect(try order("prometheus_remote_write", "backfill: all") == .oldestFirst)
        #expect(try order("prometheus_remote_write", "order: oldest_first") == .oldestFirst)
    }

    @Test func `what the section says reaches the lane`() throws {
        let keys = "order: fresh_first\n    backlog_share: 20%\n    fresh_within: 5m\n    out_of_order_window: 6h"
        let order = try self.order("prometheus_remote_write", keys)
        #expect(order == .freshFirst(CatchUp(share: 0.2, freshSeconds: 300, outOfOrderSeconds: 21_600)))
    }

    @Test func `a type that takes points in any order needs no window`() throws {
        let text = "backends:\n  central: { type: archive, order: fresh_first }\n"
        let route = try #require(try ConfigurationTests.parse(text).routes.first)
        #expect(route.order == .freshFirst(CatchUp(share: 0.5, freshSeconds: 60)))
    }

    @Test func `a type that may refuse old points needs the window that it takes, or the word that it takes any`()
        throws
    {
        let error = ConfigurationTests.error(config("prometheus_remote_write", "order: fresh_first"))
        #expect(error.hasPrefix("holdfast.yaml:5: backends.central.order: fresh_first"), "\(error)")
        #expect(error.contains("out_of_order_time_window") && error.contains("out_of_order_window: 24h"), "\(error)")
        let any = "order: fresh_first\n    out_of_order_window: unlimited"
        #expect(try order("prometheus_remote_write", any) == .freshFirst(CatchUp()))
    }

    @Test(arguments: [
        ("order: newest_first", "none of oldest_first, fresh_first"),
        ("backlog_share: 20%", "says nothing without order: fresh_first"),
        ("out_of_order_window: 1h", "says nothing without order: fresh_first"),
        ("order: fresh_first\n    out_of_order_window: 1h\n    backlog_share: 0%", "from 1% to 99%"),
        ("order: fresh_first\n    out_of_order_window: 1h\n    backlog_share: 0.5", "from 1% to 99%"),
        ("order: fresh_first\n    out_of_order_window: 1h\n    fresh_within: 0", "fresh_within must be from"),
        ("order: fresh_first\n    out_of_order_window: never", "is not a duration"),
        ("order: fresh_first\n    out_of_order_window: 4m", "more than four times fresh_within, 4m0s"),
        ("order: fresh_first\n    fresh_within: 1h\n    out_of_order_window: 2h", "Make fresh_within smaller"),
        ("order: fresh_first\n    out_of_order_windows: 1h", "did you mean \"out_of_order_window\"?"),
    ])
    func `a mistake is named`(_ keys: String, _ words: String) {
        let error = ConfigurationTests.error(config("prometheus_remote_write", keys))
        #expect(error.contains(words), "\(error)")
    }

    @Test func `check says what the order means`() throws {
        let keys = "order: fresh_first\n    out_of_order_window: 2h"
        let configuration = try ConfigurationTests.parse(config("prometheus_remote_write", keys))
        #expect(
            configuration.summaryText.contains(
                "backend central: prometheus_remote_write, fresh points first; while they wait the backlog has 50% of what "
                    + "is sent, and one older than 1h0m goes first\n"), "\(configuration.summaryText)")
    }
}
