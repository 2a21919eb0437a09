import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Who answers in place of a backend: proxies, and networks that want a login first.
@Suite struct WebPageTests {
    private static let pages = [
        "<!DOCTYPE html><html><body>Welcome aboard! Please log in</body></html>", "  \n<HTML><head></head></HTML>",
    ]
    private static let types = BackendContractTests.types.filter { BackendFixture.isHTTP($0) }

    private func outcomes(_ type: String, _ status: Int) throws -> [DeliveryOutcome] {
        let folder = try TemporaryFolder()
        let backend = try BackendFixture.make(
            type, BackendFixture.minimum(of: type, url: "http://127.0.0.1:9/", folder: folder.path),
            environment: BackendFixture.environment())
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        return Self.pages.map { backend.outcome(of: BackendFixture.answer(status, $0), to: request) }
    }

    @Test(arguments: types)
    func `a web page is no success, and no refusal of points`(_ type: String) throws {
        for outcome in try outcomes(type, 200) {
            switch outcome {
            case .retry(after: nil, _), .hold, .encodeAnew: break
            default: Issue.record("200: \(outcome)")
            }
        }
        for outcome in try outcomes(type, 400) {
            switch outcome {
            case .retry, .hold, .encodeAnew: break
            // Frameworks for an API of one's own say so.
            case .refused where type == "http": break
            default: Issue.record("400: \(outcome)")
            }
        }
        // nginx says so with a page.
        #expect(try outcomes(type, 413).allSatisfy { $0 == .tooLarge(limitBytes: nil) })
    }

    @Test func `a success with a page is tried again, as a login comes to an end`() throws {
        guard case .retry(after: nil, let reason)? = try outcomes("http", 200).first else {
            Issue.record("it is not tried again")
            return
        }
        #expect(reason.hasPrefix("HTTP 200 with a web page") && reason.contains("Please log in"), "\(reason)")
    }

    @Test func `what only calls itself a page is none`() throws {
        let backend = try BackendFixture.make("http", ["url": "http://127.0.0.1:9/"])
        for body in ["", "ok", "<points>2</points>"] {
            let answer = BackendFixture.answer(200, body, headers: ["content-type": "text/html; charset=utf-8"])
            #expect(backend.outcome(of: answer, to: EncodedRequest()) == .delivered, "\(body)")
        }
    }

    @Test func `what a rule of the config says of a page holds`() throws {
        let rules = SettingsNode(
            .list([
                SettingsNode(
                    .map([
                        ("status", 3, SettingsNode(.scalar("200"), line: 3)),
                        ("outcome", 3, SettingsNode(.scalar("delivered"), line: 3)),
                    ]), line: 3)
            ]), line: 3)
        let node = SettingsNode(
            .map([("url", 3, SettingsNode(.scalar("http://127.0.0.1:9/"), line: 3)), ("outcomes", 3, rules)]), line: 2)
        let backend = try makeBackend(
            type: "http", name: "b", settings: try Settings(node, path: "backends.b") { $0 })
        #expect(backend.outcome(of: BackendFixture.answer(200, Self.pages[0]), to: EncodedRequest()) == .delivered)
    }

    @Test(arguments: ["prometheus_remote_write", "otlp_http", "http"])
    func `a path that a VictoriaMetrics does not know is nobody's points' fault`(_ type: String) throws {
        let backend = try BackendFixture.make(
            type, BackendFixture.minimum(of: type, url: "http://127.0.0.1:9/", folder: ""))
        let words = #"unsupported path requested: "/api/v1/wirte""#
        guard case .hold(let reason) = backend.outcome(of: BackendFixture.answer(400, words), to: EncodedRequest())
        else {
            Issue.record("points would be buried")
            return
        }
        #expect(reason.contains("nothing takes writes at this url"))
    }
}
