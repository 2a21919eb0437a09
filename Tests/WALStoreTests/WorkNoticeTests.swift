import Foundation
import Synchronization
import Testing

@testable import WALStore

struct WorkNoticeTests {
    /// Every commit gives one: a node gives millions.
    @Test func `the thousandth notice goes the same way as the first`() {
        let notice = WorkNotice()
        let calls = Mutex(0)
        let depths = Mutex<[Int]>([])
        notice.set { _ in
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            guard number == 1 || number == 1000 else { return }
            let depth = Thread.callStackReturnAddresses.count
            depths.withLock { $0.append(depth) }
        }
        for _ in 0..<1000 { notice.notify("acme") }
        let seen = depths.withLock { $0 }
        #expect(seen.count == 2)
        #expect(seen.first == seen.last, "the stack is as deep")
    }
}
