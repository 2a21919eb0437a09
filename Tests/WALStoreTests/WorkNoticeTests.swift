import Synchronization
import Testing

@testable import WALStore

struct WorkNoticeTests {
    /// Every commit gives one: a node gives millions.
    @Test func `the thousandth notice goes the same way as the first`() {
        let notice = WorkNotice()
        let depths = Mutex<[Int]>([])
        notice.set { _ in
            var here = 0
            let depth = withUnsafeMutablePointer(to: &here) { Int(bitPattern: $0) }
            depths.withLock { $0.append(depth) }
        }
        for _ in 0..<1000 { notice.notify("acme") }
        let seen = depths.withLock { $0 }
        #expect(seen.count == 1000)
        #expect(Set(seen).count == 1, "the stack is as deep each time")
    }
}
