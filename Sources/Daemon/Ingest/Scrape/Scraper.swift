import Forwarder
import Synchronization
import WALStore

/// Scrapes every target of every job, and follows the config and the discovery files.
actor Scraper {
    private struct Key: Hashable {
        var manner: ScrapeJob
        var target: ScrapeTarget
    }
    private struct Running {
        var id: UInt64
        var task: Task<Void, Never>
        /// True when the target is gone rather than the node going down.
        var isGone: Flag
    }
    private final class Flag: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }
    static let concurrentScrapes = 16
    static let discoveryInterval = Duration.seconds(2)

    private let surroundings: ScrapeLoop.Surroundings
    private let events: EventSink
    private var jobs: [ScrapeJob] = []
    private var files: [String: FileDiscovery] = [:]
    private var running: [Key: Running] = [:]
    /// Cancelled and not yet over, by their id.
    private var ending: [UInt64: Task<Void, Never>] = [:]
    private var nextID: UInt64 = 0
    private var watcher: Task<Void, Never>?

    init(
        ingest: Ingest, transport: HTTPTransport, events: @escaping EventSink,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        surroundings = ScrapeLoop.Surroundings(
            ingest: ingest, transport: transport, slots: ScrapeSlots(Scraper.concurrentScrapes), sleep: sleep)
        self.events = events
    }

    /// The jobs there are from now on. Targets that stay are not disturbed; those that are gone get stale markers.
    func apply(_ jobs: [ScrapeJob]) {
        self.jobs = jobs
        let paths = Set(jobs.flatMap(\.fileDiscovery))
        files = files.filter { paths.contains($0.key) }
        for path in paths where files[path] == nil { files[path] = FileDiscovery(path: path) }
        _ = refreshFiles()
        arrange()
        watchFiles()
    }

    /// Ends all scraping without stale markers: the node goes, its targets stay.
    func stop() async {
        watcher?.cancel()
        await watcher?.value
        watcher = nil
        let tasks = running.values.map(\.task) + ending.values
        running = [:]
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    /// Targets now scraped.
    var targets: Int { running.count }

    // MARK: Targets

    private func arrange() {
        var wanted: [Key: ScrapeJob] = [:]
        for job in jobs {
            for target in targets(of: job) { wanted[Key(manner: job.manner, target: target)] = job }
        }
        let staying = Set(wanted.keys.map(\.target))
        for key in running.keys where wanted[key] == nil {
            guard let entry = running.removeValue(forKey: key) else { continue }
            // Asked in another manner from now on, it is still the same target with the same series.
            if !staying.contains(key.target) { entry.isGone.set() }
            entry.task.cancel()
            ending[entry.id] = entry.task
        }
        for (key, job) in wanted where running[key] == nil { start(key, job) }
    }

    private func targets(of job: ScrapeJob) -> [ScrapeTarget] {
        var all = job.targets.map { ScrapeTarget(job, address: $0) }
        for path in job.fileDiscovery {
            for group in files[path]?.groups ?? [] {
                all += group.targets.map { ScrapeTarget(job, address: $0, labels: group.labels) }
            }
        }
        return all
    }

    private func start(_ key: Key, _ job: ScrapeJob) {
        let loop = ScrapeLoop(job: job, target: key.target, surroundings: surroundings)
        let isGone = Flag()
        nextID += 1
        let id = nextID
        let task = Task {
            await loop.run { isGone.isSet }
            ending[id] = nil
        }
        running[key] = Running(id: id, task: task, isGone: isGone)
    }

    // MARK: Files

    private func refreshFiles() -> Bool {
        var hasChanged = false
        for path in files.keys {
            guard var file = files[path], file.refresh() else { continue }
            files[path] = file
            hasChanged = true
            if let fault = file.fault {
                events(
                    Event(.warning, "A file of scrape targets cannot be read; its last targets stay", ["fault": fault]))
            }
        }
        return hasChanged
    }

    private func watchFiles() {
        watcher?.cancel()
        watcher = nil
        guard !files.isEmpty else { return }
        let sleep = surroundings.sleep
        watcher = Task { [weak self] in
            while (try? await sleep(Scraper.discoveryInterval)) != nil {
                guard let self else { return }
                await self.follow()
            }
        }
    }

    private func follow() {
        if refreshFiles() { arrange() }
    }
}
