extension [UInt8] {
    /// Lends room for `count` more bytes to `fill`, which says how many it wrote: for C calls that write into a buffer.
    /// Nothing is zeroed first, and many small appends stay linear.
    @discardableResult
    package mutating func appendUninitialized<Result>(
        _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> (written: Int, result: Result)
    ) -> Result {
        var result: Result?
        append(addingCapacity: count) { span in
            span.withUnsafeMutableBufferPointer { room, used in
                let free = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: room[..<count]))
                let (written, value) = fill(free)
                precondition(written >= 0 && written <= count, "a C call stays inside the room it was lent")
                used = written
                result = value
            }
        }
        guard let result else { preconditionFailure("the closure above runs once") }
        return result
    }
}
