import TestSupport

@testable import Forwarder

/// A link of so many bytes a second, which all requests on their way share evenly, as they do by TCP; answers cost nothing.
///
/// `@unchecked Sendable`: no lock, as one thread alone uses it, that of `SimulationThread.run`.
final class SharedLink: @unchecked Sendable {
    private final class Transfer {
        var bytesLeft: Double
        let arrive: () -> Void
        init(_ bytes: Int, _ arrive: @escaping () -> Void) {
            bytesLeft = Double(bytes)
            self.arrive = arrive
        }
    }

    /// Beside the body: headers, of either kind.
    private static let overheadBytes = 500
    private static let latency: Int64 = 20_000_000

    private let scheduler: SimulatedScheduler
    private let bytesPerSecond: Double
    private var transfers: [Transfer] = []
    private var countedUpTo: Int64 = 0
    private var timer: UInt64 = 0

    init(_ scheduler: SimulatedScheduler, bytesPerSecond: Int) {
        self.scheduler = scheduler
        self.bytesPerSecond = Double(bytesPerSecond)
    }

    func carry(_ request: HTTPRequest, _ arrive: @escaping () -> Void) {
        progress()
        transfers.append(
            Transfer(request.body.count + SharedLink.overheadBytes) { [scheduler] in
                scheduler.after(SharedLink.latency, arrive)
            })
        wait()
    }

    /// What each has got through by now.
    private func progress() {
        let bytes = Double(scheduler.now - countedUpTo) / 1e9 * bytesPerSecond / Double(max(1, transfers.count))
        countedUpTo = scheduler.now
        for transfer in transfers { transfer.bytesLeft -= bytes }
        let done = transfers.filter { $0.bytesLeft < 1 }
        transfers.removeAll { $0.bytesLeft < 1 }
        for transfer in done { transfer.arrive() }
    }

    private func wait() {
        _ = scheduler.takeBack(timer)
        guard let least = transfers.map(\.bytesLeft).min() else { return }
        let seconds = least * Double(transfers.count) / bytesPerSecond
        timer = scheduler.after(Int64(seconds * 1e9) + 1) { [self] in
            progress()
            wait()
        }
    }
}
