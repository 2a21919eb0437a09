import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

@Suite(.timeLimit(.minutes(10)))
struct ArchiveTests {
    private let folder: TemporaryFolder
    private var home: String { folder.path + "/acme" }

    init() throws { folder = try TemporaryFolder() }

    private func make(
        _ values: [String: String] = [:], environment: BackendEnvironment = BackendEnvironment()
    ) throws -> any Backend {
        try BackendFixture.make(
            "archive", ["path": folder.path + "/{tenant}"].merging(values) { $1 }, environment: environment)
    }

    /// Delivers through an archive of its own, as a process would: it is closed on return.
    private func deliver(_ chunk: Chunk, _ values: [String: String] = [:]) async throws -> DeliveryOutcome {
        let before = try ArchiveFiles.openDescriptors(below: folder.path)
        let outcome = await BackendFixture.deliver(try make(values), chunk)
        try await ArchiveFiles.closed(below: folder.path, butFor: before)
        return outcome
    }

    private func files() -> [String] {
        var names: [String] = []
        guard let listing = opendir(home) else { return [] }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".ndjson") { names.append(name) }
        }
        return names.sorted()
    }

    private func content() -> [UInt8] { files().flatMap { bytes(of: "\(home)/\($0)") } }

    private func bytes(of path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return all }
            all += buffer[..<count]
        }
    }

    private func append(_ text: String, to path: String) {
        guard let file = fopen(path, "a") else { return }
        fputs(text, file)
        fclose(file)
    }

    private func lines() -> Int { content().count { $0 == 10 } }

    @Test func `each line begins with its place`() async throws {
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]), sequence: 41)
        #expect(try await deliver(chunk) == .delivered)
        let text = String(decoding: content(), as: UTF8.self).split(separator: "\n")
        #expect(text.count == 2)
        #expect(text[0].hasPrefix("{\"place\":\"41.0\","))
        #expect(text[1].hasPrefix("{\"place\":\"41.1\","))
    }

    @Test func `a resend after a restart adds nothing, and what is new beside it is written`() async throws {
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3, 4]))
        var first = chunk
        first.runs = [LeasedRun(piece: 0, ordinals: 0..<3)]
        #expect(try await deliver(first) == .delivered)
        #expect(try await deliver(chunk) == .delivered)
        #expect(lines() == 4)
        #expect(try await deliver(chunk) == .delivered)
        #expect(lines() == 4)
        // The same values at another place are other points.
        #expect(
            try await deliver(BackendFixture.chunk(BackendFixture.samples([1, 2, 3, 4]), sequence: 8)) == .delivered)
        #expect(lines() == 8)
    }

    @Test(arguments: ["{\"place\":\"7.2\",\"na", "\0\0\0\0", "{\"place\":\"7.\0\0\0\n"])
    func `a torn end is cut at start`(_ torn: String) async throws {
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        #expect(try await deliver(chunk) == .delivered)
        let whole = content()
        let name = try #require(files().first)
        torn.utf8CString.dropLast().withUnsafeBytes { bytes in
            if let file = fopen("\(home)/\(name)", "a") {
                fwrite(bytes.baseAddress, 1, bytes.count, file)
                fclose(file)
            }
        }
        #expect(try await deliver(chunk) == .delivered)
        #expect(content() == whole)
    }

    @Test func `files are rotated by size and the oldest is deleted with an event`() async throws {
        let events = EventList()
        let environment = BackendEnvironment(events: { events.add($0) })
        let backend = try make(["rotate_size": "4KiB", "max_bytes": "12KiB"], environment: environment)
        for sequence in 0..<20 {
            let samples = BackendFixture.samples((0..<20).map { Double($0) })
            let chunk = BackendFixture.chunk(samples, sequence: Int64(sequence))
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        }
        #expect(files().count > 1)
        #expect(content().count <= 12 << 10)
        #expect(events.count > 0)
        #expect(files().first?.hasPrefix("archive-00000001-") == false)
    }

    @Test func `a folder that another archive holds is waited for`() async throws {
        let holder = try make()
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        #expect(await BackendFixture.deliver(holder, chunk) == .delivered)
        guard case .retry(_, let reason) = try await deliver(chunk) else {
            Issue.record("two writers in one folder")
            return
        }
        #expect(reason.contains("lock"))
        _ = holder
    }

    @Test func `a folder that cannot be made is tried again`() async throws {
        append("in the way", to: home)
        guard case .retry(_, let reason) = try await deliver(BackendFixture.chunk(BackendFixture.samples([1]))) else {
            Issue.record("a file is no folder")
            return
        }
        #expect(reason.contains(home))
    }

    @Test func `what is written decodes to the points that came`() async throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 150, series: 12, using: &random)
        #expect(try await deliver(BackendFixture.chunk(batch)) == .delivered)
        let text = String(decoding: content(), as: UTF8.self).split(separator: "\n")
        #expect(text.count { $0.hasPrefix("{\"place\":") } == 150)
        for line in text { _ = try JSONValue.parse(Array(line.utf8)) }
    }

    @Test func `a path that would mix tenants is refused`() {
        #expect(throws: SettingsError.self) { try make(["path": "/srv/archive"]) }
    }
}

private final class EventList: Sendable {
    private let events = Mutex<[Event]>([])
    var count: Int { events.withLock { $0.count } }
    func add(_ event: Event) { events.withLock { $0.append(event) } }
}
