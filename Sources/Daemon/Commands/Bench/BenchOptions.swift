/// What `holdfast bench` measures, and with how much.
struct BenchOptions {
    enum Kind: String, CaseIterable {
        /// Requests in, the backend down: how fast they are acknowledged.
        case ingest
        /// The backlog out, after the backend came back.
        case deliver
        /// In and out at the same time.
        case path
    }

    var kind = Kind.ingest
    /// Where to send; nil: a node of this very binary is started for the run, in a folder of its own.
    var url: String?
    /// The process to watch, and where its data is; known for a node of our own.
    var pid: Int32?
    var dataFolder: String?
    /// Where the node under test finds its backend (`deliver`, `path`); 0: any port.
    var sinkPort: UInt16 = 0
    var roundTripMilliseconds = 0
    var connections = 8
    var series = 20_280
    var samplesPerRequest = 2000
    var scrapes = 100
    /// Samples a second; 0: as fast as they are answered.
    var rate = 0.0
    var isJSON = false
}
