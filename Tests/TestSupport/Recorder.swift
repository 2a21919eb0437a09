import Synchronization

/// What happened, in the order in which it did, from any thread.
public final class Recorder<Element: Sendable>: Sendable {
    private struct Waiter: Sendable {
        var isIt: @Sendable (Element) -> Bool
        var continuation: CheckedContinuation<Element, Never>
    }

    private let state = Mutex<(elements: [Element], waiters: [Waiter])>(([], []))
    public init() {}
    public var elements: [Element] { state.withLock { $0.elements } }

    public func record(_ element: Element) {
        let waiters = state.withLock { state -> [Waiter] in
            state.elements.append(element)
            let woken = state.waiters.filter { $0.isIt(element) }
            state.waiters.removeAll { $0.isIt(element) }
            return woken
        }
        for waiter in waiters { waiter.continuation.resume(returning: element) }
    }

    /// Returns the first one, which may be yet to come.
    @discardableResult public func first(where isIt: @escaping @Sendable (Element) -> Bool) async -> Element {
        await withCheckedContinuation { continuation in
            let found = state.withLock { state -> Element? in
                if let found = state.elements.first(where: isIt) { return found }
                state.waiters.append(Waiter(isIt: isIt, continuation: continuation))
                return nil
            }
            if let found { continuation.resume(returning: found) }
        }
    }
}
