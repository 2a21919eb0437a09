import Synchronization

/// What the `prometheus_exposition` backends of a node show, by backend and tenant. It outlives a reload that changes a backend,
/// and ends with the process.
public final class ExpositionBoard: Sendable {
    private struct Key: Hashable {
        var backend: String
        var tenant: String
    }
    private let shelves = Mutex<[Key: ExpositionShelf]>([:])

    public init() {}

    func shelf(_ backend: String, _ tenant: String) -> ExpositionShelf {
        let key = Key(backend: backend, tenant: tenant)
        return shelves.withLock { shelves in
            if let shelf = shelves[key] { return shelf }
            let shelf = ExpositionShelf()
            shelves[key] = shelf
            return shelf
        }
    }

    /// Forgets what is of no backend of a tenant's any more.
    public func keep(_ isThere: (_ backend: String, _ tenant: String) -> Bool) {
        shelves.withLock { shelves in shelves = shelves.filter { isThere($0.key.backend, $0.key.tenant) } }
    }
}
