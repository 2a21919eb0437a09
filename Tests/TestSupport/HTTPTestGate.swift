#if canImport(Glibc)
    import Glibc
#endif

/// Shut until a test opens it; then open for good. Threads wait for it in `poll`, so that a server can stop meanwhile.
public final class HTTPTestGate: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    public init() {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0, "a test process has descriptors left")
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        Glibc.close(readEnd)
        Glibc.close(writeEnd)
    }

    /// A byte nobody takes out: everyone who polls sees it, now and later.
    public func open() {
        var byte: UInt8 = 1
        write(writeEnd, &byte, 1)
    }
}
