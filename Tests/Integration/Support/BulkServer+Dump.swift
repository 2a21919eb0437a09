import Foundation
import Metrics
import TestSupport

extension BulkServer {
    /// Every document of an index as the sample it stands for.
    func seriesDump(of index: String = "metrics") throws -> SeriesDump {
        var dump = SeriesDump()
        for document in documents(in: index) {
            guard let name = document.source["name"]?.string, let value = document.source["value"]?.double,
                let time = document.source["@timestamp"]?.string.flatMap({ RFC3339.parse($0) })
            else { throw TestFailure("an unexpected document: \(document)") }
            var labels = ["__name__": name]
            for member in document.source["labels"]?.object ?? [] { labels[member.key] = member.value.string }
            dump.add(labels, time / 1_000_000, value)
        }
        return dump
    }
}
