import Foundation

/// Clients that send requests of unique points and write down, apart from Holdfast, what was said about each.
actor LoadLedger {
    static let pointsPerRequest = 40
    /// Milliseconds since the epoch of the point with value 0. Each point has a time of its own: a backend whose key is
    /// series and time keeps all of them.
    static let firstTime = 1_790_000_000_000

    /// The label `tenant` of each point.
    nonisolated let tenant: String
    /// Sent with each request, where the node asks for credentials.
    nonisolated let token: String?
    private(set) var acknowledged: Set<Int> = []
    /// Error answers and broken connections: each may be there whole, or not at all.
    private(set) var unanswered: Set<Int> = []
    private var next = 0
    private var isStopped = false

    init(tenant: String = "default", token: String? = nil) {
        self.tenant = tenant
        self.token = token
    }

    func stop() { isStopped = true }

    private func begin() -> Int? {
        if isStopped { return nil }
        next += 1
        return next
    }

    private func end(_ request: Int, _ isAcknowledged: Bool) {
        if isAcknowledged { acknowledged.insert(request) } else { unanswered.insert(request) }
    }

    /// Sends until `stop`, one request at a time, from each of `clients` connections.
    nonisolated func run(clients: Int, url: String) async {
        await withTaskGroup(of: Void.self) { group in
            for client in 0..<clients { group.addTask { await self.send(client, url) } }
        }
    }

    private nonisolated func send(_ client: Int, _ url: String) async {
        while let request = await begin() {
            let labels = #""labels":{"client":"\#(client)","tenant":"\#(tenant)"}"#
            let first = request * LoadLedger.pointsPerRequest
            let lines = (first..<first + LoadLedger.pointsPerRequest).map { value in
                #"{"name":"load",\#(labels),"value":\#(value),"timestamp_ms":\#(LoadLedger.firstTime + value)}"#
            }
            let body = lines.joined(separator: "\n")
            var headers = ["Content-Type": "application/x-ndjson"]
            if let token { headers["Authorization"] = "Bearer \(token)" }
            let answer = try? await Web.post("\(url)/api/v1/json", body, headers: headers)
            await end(request, answer.map { (200..<300).contains($0.status) } ?? false)
        }
    }

    /// How many points of each request an archive holds, each point counted once.
    static func received(archive: String) throws -> (perRequest: [Int: Int], lines: Int) {
        let (seen, lines) = try values(archive: archive)
        return (perRequest(seen), lines)
    }

    static func perRequest(_ values: Set<Int>) -> [Int: Int] {
        var perRequest: [Int: Int] = [:]
        for value in values { perRequest[value / pointsPerRequest, default: 0] += 1 }
        return perRequest
    }

    /// The values in an archive's files, and how many lines hold one.
    static func values(archive: String) throws -> (values: Set<Int>, lines: Int) {
        var seen: Set<Int> = []
        var lines = 0
        let files = FileManager.default.enumerator(atPath: archive)?.compactMap { $0 as? String } ?? []
        for file in files where file.contains(".ndjson") {
            let text = try Data(contentsOf: URL(fileURLWithPath: archive).appendingPathComponent(file))
            for line in text.split(separator: UInt8(ascii: "\n")) {
                guard let record = try JSONSerialization.jsonObject(with: line) as? [String: Any],
                    record["name"] as? String == "load", let value = record["value"] as? NSNumber
                else { continue }
                lines += 1
                seen.insert(value.intValue)
            }
        }
        return (seen, lines)
    }
}
