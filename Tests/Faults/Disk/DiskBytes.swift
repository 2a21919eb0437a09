#if canImport(Glibc)
    import Glibc
#endif

/// A file's bytes: an array that grows without a loop over its elements, which a debug build would feel.
struct DiskBytes: Sendable {
    /// At least `count` bytes; those behind are zero.
    private var buffer: [UInt8]
    private(set) var count: Int

    init(_ bytes: [UInt8] = []) {
        buffer = bytes
        count = bytes.count
    }

    var array: [UInt8] { Array(buffer[..<count]) }
    var isEmpty: Bool { count == 0 }

    subscript(index: Int) -> UInt8 {
        get { buffer[index] }
        set { buffer[index] = newValue }
    }

    subscript(range: Range<Int>) -> [UInt8] { Array(buffer[range]) }

    /// What is added is zero.
    mutating func resize(_ bytes: Int) {
        if bytes < count {
            buffer.withUnsafeMutableBytes { $0.clear(bytes..<count) }
        } else if bytes > buffer.count {
            let (old, count) = (buffer, count)
            let capacity = max(bytes, 2 * old.count, 4096)
            buffer = [UInt8](unsafeUninitializedCapacity: capacity) { target, initialized in
                let target = UnsafeMutableRawBufferPointer(target)
                target.clear(count..<capacity)
                old.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                initialized = capacity
            }
        }
        count = bytes
    }

    mutating func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        if count < offset + bytes.count { resize(offset + bytes.count) }
        buffer.withUnsafeMutableBytes { target in
            UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
    }

    /// Copies to `target`, which has room for all of the range.
    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) {
        buffer.withUnsafeBytes { source in
            if let start = source.baseAddress, !range.isEmpty {
                memcpy(target, start.advanced(by: range.lowerBound), range.count)
            }
        }
    }

    mutating func apply(_ change: DiskFile.Change) {
        switch change {
        case .write(let offset, let bytes): bytes.withUnsafeBytes { put($0, at: offset) }
        case .truncate(let bytes): resize(bytes)
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func clear(_ range: Range<Int>) {
        let part = UnsafeMutableRawBufferPointer(rebasing: self[range])
        if let start = part.baseAddress { memset(start, 0, part.count) }
    }
}
