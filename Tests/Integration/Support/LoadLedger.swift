import Foundation

/// Clients that send requests of unique points and write down, apart from Holdfast, what was said about each.
actor LoadLedger {
    static let pointsPerRequest = 40

    private(set) var acknowledged: Set<Int> = []
    /// Error answers and broken connections: each may be there whole, or not at all.
    private(set) var unanswered: Set<Int> = []
    private var next = 0
    private var isStopped = false

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
            var body = ""
            let now = Int(Date().timeIntervalSince1970 * 1000)
            for point in 0..<LoadLedger.pointsPerRequest {
                let value = request * LoadLedger.pointsPerRequest + point
                body +=
                    #"{"name":"load","labels":{"client":"\#(client)"},"value":\#(value),"timestamp_ms":\#(now)}"# + "\n"
            }
            let answer = try? await Web.post(
                "\(url)/api/v1/json", body, headers: ["Content-Type": "application/x-ndjson"])
            await end(request, answer.map { (200..<300).contains($0.status) } ?? false)
        }
    }

    /// How many points of each request an archive holds, each point counted once.
    static func received(archive: String) throws -> (perRequest: [Int: Int], lines: Int) {
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
        var perRequest: [Int: Int] = [:]
        for value in seen { perRequest[value / pointsPerRequest, default: 0] += 1 }
        return (perRequest, lines)
    }
}
