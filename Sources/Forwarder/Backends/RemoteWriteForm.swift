/// The ways in which a remote write request can be written.
enum RemoteWriteForm: Sendable, Equatable {
    /// 1.0, which every receiver knows.
    case first
    /// The message of 1.0 under zstd: VictoriaMetrics, and nobody else.
    /// <https://docs.victoriametrics.com/victoriametrics/vmagent/#victoriametrics-remote-write-protocol>
    case zstd
    /// 2.0. <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>
    case second

    /// Receivers compare the type of 2.0 byte by byte: no blank may stand in it.
    var headers: [(name: String, value: String)] {
        switch self {
        case .first:
            [
                ("Content-Type", "application/x-protobuf"), ("Content-Encoding", "snappy"),
                ("X-Prometheus-Remote-Write-Version", "0.1.0"),
            ]
        case .zstd:
            [
                ("Content-Type", "application/x-protobuf"), ("Content-Encoding", "zstd"),
                ("X-VictoriaMetrics-Remote-Write-Version", "1"),
            ]
        case .second:
            [
                ("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
                ("Content-Encoding", "snappy"), ("X-Prometheus-Remote-Write-Version", "2.0.0"),
            ]
        }
    }
}

/// What a remote write answer is held against.
struct RemoteWriteShape: Sendable, Equatable {
    var form = RemoteWriteForm.first
    /// The receiver has taken this form before.
    var isProven = false
    /// The same points may go out as 1.0 instead.
    var mayFallBack = false
    /// Samples in the body: a classic histogram is several.
    var samples = 0
    /// Native histograms in the body.
    var histograms = 0
    /// A series has more than one point in it: the later ones, once stored, make the earlier ones out of order.
    var repeatsSeries = false
}
