import Synchronization

/// What happened, in the order in which it did, from any thread.
public final class Recorder<Element: Sendable>: Sendable {
    private let state = Mutex<[Element]>([])
    public init() {}
    public var elements: [Element] { state.withLock { $0 } }
    public func record(_ element: Element) { state.withLock { $0.append(element) } }
}
