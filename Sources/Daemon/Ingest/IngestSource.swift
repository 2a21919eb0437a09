/// A protocol that senders speak: one file, one line in `ingestSources`, one test file.
protocol IngestSource: SendableMetatype {
    /// As in the config, in receipts and in metrics.
    static var name: String { get }
    static func routes(_ ingest: Ingest) -> [Route]
}

let ingestSources: [any IngestSource.Type] = [
    RemoteWriteSource.self,
    InfluxSource.self,
    JSONSource.self,
]
