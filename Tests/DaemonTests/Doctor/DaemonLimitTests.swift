import Testing

@testable import Daemon

@Suite struct DaemonLimitTests {
    @Test func `the limit that doctor shows is the hard one of the line for open files`() {
        let text = """
            Limit                     Soft Limit           Hard Limit           Units
            Max processes             31211                31211                processes
            Max open files            1024                 524288               files
            Max locked memory         8388608              8388608              bytes
            """
        #expect(Doctor.hardLimit(of: text) == 524_288)
        #expect(Doctor.hardLimit(of: "Max open files      1024       unlimited       files") == .max)
        #expect(Doctor.hardLimit(of: "Max open files") == nil)
        #expect(Doctor.hardLimit(of: nil) == nil)
    }
}
