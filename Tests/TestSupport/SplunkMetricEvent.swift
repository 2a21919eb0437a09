import Metrics

/// Reads a body of metric events as an HEC does.
enum SplunkMetricEvent {
    /// - Returns: what is in the events before the first bad one, and what is wrong with that.
    static func read(
        _ body: [UInt8], _ token: SplunkServer.Token, refuses: [String: Int]
    ) -> ([SplunkServer.Sample], SplunkServer.Fault?) {
        var samples: [SplunkServer.Sample] = []
        for (number, text) in split(body).enumerated() {
            do throws(SplunkServer.Fault) {
                samples += try read(text, number, token, refuses)
            } catch { return (samples, error) }
        }
        return (samples, nil)
    }

    /// Objects one after the other, with or without a blank between them.
    private static func split(_ body: [UInt8]) -> [[UInt8]] {
        var all: [[UInt8]] = []
        var text: [UInt8] = []
        var (depth, isInString, isEscaped) = (0, false, false)
        for byte in body {
            if depth == 0, byte == 10 || byte == 32 { continue }
            text.append(byte)
            if isEscaped {
                isEscaped = false
            } else if isInString {
                if byte == UInt8(ascii: "\\") { isEscaped = true }
                if byte == UInt8(ascii: "\"") { isInString = false }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: "{") {
                depth += 1
            } else if byte == UInt8(ascii: "}") {
                depth -= 1
                if depth == 0 {
                    all.append(text)
                    text = []
                }
            }
        }
        if !text.isEmpty { all.append(text) }
        return all
    }

    private static func read(
        _ text: [UInt8], _ number: Int, _ token: SplunkServer.Token, _ refuses: [String: Int]
    ) throws(SplunkServer.Fault) -> [SplunkServer.Sample] {
        func fault(_ code: Int, _ text: String) -> SplunkServer.Fault {
            SplunkServer.Fault(400, code, text, event: number)
        }
        guard let event = try? JSONValue.parse(text), let members = event.object else {
            throw fault(6, "Invalid data format")
        }
        let known = ["time", "event", "host", "source", "sourcetype", "index", "fields"]
        if let odd = members.first(where: { !known.contains($0.key) }) { throw fault(6, "unknown key \(odd.key)") }
        guard let kind = event["event"] else { throw fault(12, "Event field is required") }
        guard let kind = kind.string, !kind.isEmpty else { throw fault(13, "Event field cannot be blank") }
        guard kind == "metric", let fields = event["fields"]?.object else {
            throw fault(15, "Error in handling indexed fields")
        }
        let milliseconds = try time(of: event, text, number)
        let index = event["index"]?.string ?? token.indexes[0]
        // Its number is one higher than that of other faults, as measured on Splunk 10.
        guard token.indexes.contains(index) else {
            throw SplunkServer.Fault(400, 7, "Incorrect index", event: number + 1)
        }
        var metrics: [(String, Double)] = []
        var dimensions: [String: String] = [:]
        for field in fields {
            if field.key.hasPrefix("metric_name:") {
                guard let value = field.value.double, value.isFinite else {
                    throw fault(15, "Error in handling indexed fields")
                }
                metrics.append((String(field.key.dropFirst("metric_name:".count)), value))
            } else {
                guard let value = field.value.string, !field.key.hasPrefix("_"), field.key != "metric_name" else {
                    throw fault(15, "Error in handling indexed fields")
                }
                dimensions[field.key] = value
            }
        }
        guard !metrics.isEmpty, metrics.allSatisfy({ !$0.0.isEmpty }) else {
            throw fault(15, "Error in handling indexed fields")
        }
        for (metric, _) in metrics {
            if let code = refuses[metric] { throw fault(code, "Error in handling indexed fields") }
        }
        return metrics.map { metric, value in
            SplunkServer.Sample(
                index: index, metric: metric, value: value, dimensions: dimensions, milliseconds: milliseconds,
                host: event["host"]?.string, source: event["source"]?.string)
        }
    }

    /// Plain decimal seconds: an exponent is refused.
    private static func time(of event: JSONValue, _ text: [UInt8], _ number: Int) throws(SplunkServer.Fault) -> Int64 {
        let fault = SplunkServer.Fault(400, 15, "Error in handling indexed fields", event: number)
        // Without one it would be the time of arrival, which no sender of a backlog wants.
        guard let seconds = event["time"]?.double else { throw fault }
        let written = String(decoding: text, as: UTF8.self).split(separator: "\"time\":").last.map {
            $0.prefix { $0 != "," && $0 != "}" }
        }
        guard let written, !written.lowercased().contains("e"), !written.contains("\"") else { throw fault }
        return Int64((seconds * 1000).rounded())
    }
}
