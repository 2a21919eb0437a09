import Synchronization

/// Working memory of encoders, kept from one request to the next: a backend encodes on a few threads at once.
final class ScratchPool<Scratch: Sendable>: Sendable {
    private let idle = Mutex<[Scratch]>([])
    private let make: @Sendable () -> Scratch

    /// More than encode at a time are not worth keeping.
    private static var limit: Int { 4 }

    init(_ make: @escaping @Sendable () -> Scratch) { self.make = make }

    func withScratch<Result>(_ body: (inout Scratch) -> Result) -> Result {
        var scratch = idle.withLock { $0.popLast() } ?? make()
        defer {
            idle.withLock { idle in
                if idle.count < Self.limit { idle.append(scratch) }
            }
        }
        return body(&scratch)
    }
}
