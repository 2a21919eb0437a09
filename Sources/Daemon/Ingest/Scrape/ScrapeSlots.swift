/// How many scrapes may be under way at once; the others wait in their order.
actor ScrapeSlots {
    private struct Waiter {
        var id: UInt64
        var continuation: CheckedContinuation<Bool, Never>
    }
    private var free: Int
    private var waiting: [Waiter] = []
    private var nextID: UInt64 = 0

    init(_ count: Int) { free = count }

    /// How many wait for a slot.
    var queued: Int { waiting.count }

    /// - Throws: `CancellationError` when the task was cancelled while it waited; it then holds nothing.
    func take() async throws {
        try Task.checkCancellation()
        if free > 0 {
            free -= 1
            return
        }
        nextID += 1
        let id = nextID
        let isTaken = await withTaskCancellationHandler {
            await withCheckedContinuation { waiting.append(Waiter(id: id, continuation: $0)) }
        } onCancel: {
            Task { await self.giveUp(id) }
        }
        if !isTaken { throw CancellationError() }
    }

    func putBack() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().continuation.resume(returning: true)
        }
    }

    private func giveUp(_ id: UInt64) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(returning: false)
    }
}
