import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A node whose whole folder, or one tenant's, lies on a file system of its own, so that what it takes can be asked
/// for at any moment.
final class SpaceFixture: Sendable {
    let disk: SmallFileSystem
    let folder: TemporaryFolder
    let node: FaultStore

    enum Part { case node, tenant(String) }

    init(bytes: Int = 256 << 20, holding part: Part = .node) throws {
        disk = try SmallFileSystem(bytes: bytes)
        folder = try TemporaryFolder()
        switch part {
        case .node: node = FaultStore(disk.path + "/data")
        case .tenant(let tenant):
            node = FaultStore(folder.path + "/data")
            mkdir(folder.path + "/data", 0o700)
            mkdir(folder.path + "/data/tenants", 0o700)
            symlink(disk.path, "\(folder.path)/data/tenants/\(tenant)")
        }
    }

    func watch() -> SpaceWatch { SpaceWatch(disk.path) }
}

/// What a test sent and what became of it, apart from the spool: batches of unique values.
struct SentBatches {
    struct Sent {
        var values: Range<Int>
        var sequence: Int64
    }
    private(set) var stored: [Sent] = []
    private(set) var droppedPoints = 0
    private(set) var refusals = 0
    private(set) var reasons: Set<String> = []
    private var next = 0

    /// Appends batches of `points` until `count` have been tried or one is refused with `stopsAtRefusal`.
    mutating func send(
        _ count: Int, points: Int = 5000, to store: WALStore, _ tenant: String = "acme", stopsAtRefusal: Bool = false
    ) async {
        for _ in 0..<count {
            let values = next..<next + points
            next += points
            switch await Attempted.append(store, FaultStore.batch(values), tenant) {
            case .stored(let receipt):
                #expect(receipt.storedPoints + receipt.droppedPoints == points)
                droppedPoints += receipt.droppedPoints
                if let place = receipt.places.first {
                    #expect(receipt.places.count == 1 && receipt.storedPoints == points)
                    stored.append(Sent(values: values, sequence: place.start.sequence))
                }
            case .refused(let error):
                #expect(error.code == .full, "\(error)")
                refusals += 1
                reasons.insert(error.message)
                if stopsAtRefusal { return }
            }
        }
    }

    var storedPoints: Int { stored.reduce(0) { $0 + $1.values.count } }
    var storedValues: [Int] { stored.flatMap { Array($0.values) } }

    /// Each loss row of `backend` names a run of whole batches by their places, its first and last time, and how many
    /// points of it were still owed.
    ///
    /// - Parameter settled: values the backend had settled before.
    /// - Returns: the values that were lost.
    func check(_ losses: [Loss], backend: String, settled: Set<Int> = []) -> [Int] {
        var lost: [Int] = []
        for loss in losses where loss.backend == backend {
            let batches = stored.filter { sent in
                loss.places.map { $0.start.sequence <= sent.sequence && Place(sent.sequence, 0) < $0.end } ?? false
            }
            guard let places = loss.places, let first = batches.first, let last = batches.last else {
                Issue.record("a loss row without a place that was given: \(loss)")
                continue
            }
            #expect(loss.reason == .quota)
            let owed = batches.flatMap { $0.values }.filter { !settled.contains($0) }
            #expect(loss.points == Int64(owed.count))
            #expect(loss.firstTime == FaultStore.time(of: first.values.lowerBound))
            #expect(loss.lastTime == FaultStore.time(of: last.values.upperBound - 1))
            let settledBefore = first.values.count { settled.contains($0) }
            #expect(places.start == Place(first.sequence, Int64(settledBefore)), "what is owed is the end of a batch")
            #expect(
                places.end == Place(last.sequence, Int64(last.values.count)) || places.end.ordinal == 0,
                "it ends with a batch")
            lost += owed
        }
        return lost
    }
}
