import Synchronization

/// Memory for the bases that new rows stand on: one for a node. Who finds none left writes rows that say all themselves.
public final class BaseAllowance: Sendable {
    public static let standardBytes = 64 << 20

    private let free: Mutex<Int>

    public init(bytes: Int = BaseAllowance.standardBytes) { free = Mutex(bytes) }

    /// Memory that was taken, until it goes out of use.
    final class Share: Sendable {
        let bytes: Int
        private let allowance: BaseAllowance

        fileprivate init(_ bytes: Int, _ allowance: BaseAllowance) {
            self.bytes = bytes
            self.allowance = allowance
        }

        deinit { allowance.free.withLock { $0 += bytes } }
    }

    /// - Returns: nil when there is not so much left.
    func take(_ bytes: Int) -> Share? {
        let isTaken = free.withLock { free in
            guard bytes <= free else { return false }
            free -= bytes
            return true
        }
        return isTaken ? Share(bytes, self) : nil
    }
}
