import Forwarder

/// Targets that are asked for their metrics, and how.
struct ScrapeJob: Sendable, Hashable {
    struct Label: Sendable, Hashable {
        var name: String
        var value: String
    }
    /// The `job` label.
    var name: String
    var tenant: String
    /// `host:port`, or whole URLs.
    var targets: [String]
    /// Paths of JSON files with further targets, read again when they change.
    /// <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>
    var fileDiscovery: [String] = []
    var interval = Duration.seconds(15)
    var timeout = Duration.seconds(10)
    /// Added to every series.
    var labels: [Label] = []
    var metricsPath = "/metrics"
    var scheme = "http"
    /// Whether a label of the target wins over one of ours; ours is otherwise kept and theirs becomes `exported_...`.
    var honorsLabels = false
    var authentication = HTTPRequest.Authentication.none
    var tls = TLSOptions()
    /// Of one answer, as it comes and decompressed.
    var maximumBodyBytes = 16 << 20

    init(name: String, tenant: String, targets: [String]) {
        self.name = name
        self.tenant = tenant
        self.targets = targets
    }

    /// The job without its targets: how it asks them.
    var manner: ScrapeJob {
        var manner = self
        (manner.targets, manner.fileDiscovery, manner.labels) = ([], [], [])
        return manner
    }
}

/// One target of a job, with all its labels: what makes it the same target after a reload.
struct ScrapeTarget: Sendable, Hashable {
    var url: String
    /// `job`, `instance` and what was configured; sorted by name, unique.
    var labels: [ScrapeJob.Label]

    /// - Parameters:
    ///   - address: `host:port` or a URL.
    ///   - labels: on top of the job's.
    init(_ job: ScrapeJob, address: String, labels: [ScrapeJob.Label] = []) {
        var instance = address
        if let scheme = address.firstRange(of: "://") {
            url = address
            let rest = address[scheme.upperBound...]
            let authority = String(rest.prefix { $0 != "/" && $0 != "?" })
            // A user and password in it must not end up in every series.
            instance = authority.split(separator: "@").last.map(String.init) ?? authority
            if !rest.contains("/") { url += job.metricsPath }
        } else {
            url = "\(job.scheme)://\(address)\(job.metricsPath)"
        }
        var all = ["job": job.name, "instance": instance]
        for label in job.labels + labels { all[label.name] = label.value }
        self.labels = all.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
            .map { ScrapeJob.Label(name: $0.key, value: $0.value) }
    }

    var instance: String { labels.first { $0.name == "instance" }?.value ?? url }

    /// FNV-1a over all that makes it this target: the same place in the interval in every process, so that a restart
    /// does not shift it. <http://www.isthe.com/chongo/tech/comp/fnv/>
    var hash: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for text in [url] + labels.flatMap({ [$0.name, $0.value] }) {
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            hash = (hash ^ 0xff) &* 0x0000_0100_0000_01b3
        }
        return hash
    }
}
